use super::*;

/// A folder with files; a path that ends in `/` is a folder.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// `ignored by FILE:LINE (FOLDER)`, `counts by FILE:LINE`, `counts`.
fn said(rules: &mut Rules, root: &Path, path: &str) -> String {
    let verdict = rules.decide(Path::new(path.trim_end_matches('/')), path.ends_with('/'));
    let mut text = if verdict.ignored { "ignored" } else { "counts" }.to_owned();
    if let Some(rule) = verdict.rule {
        let file = rule
            .file
            .map_or("built in".into(), |file| file.strip_prefix(root).unwrap_or(&file).display().to_string());
        text += &format!(" by {file}:{}", rule.line);
    }
    if let Some(folder) = verdict.folder {
        text += &format!(" ({})", folder.display());
    }
    text
}

fn check(files: &[(&str, &str)], followed: &str, wanted: &[(&str, &str)]) {
    let folder = tree(files);
    let mut rules = Rules::with(&folder.path().join(followed), None);
    for (path, wanted) in wanted {
        assert_eq!(said(&mut rules, folder.path(), path), *wanted, "{path}");
    }
}

#[test]
fn the_nearest_file_decides_and_in_it_the_last_line() {
    check(
        &[
            (".gitignore", "*.log\n\n# not this one\n!keep.log\n"),
            ("web/.gitignore", "keep.log\n*.js\n!app.js\n"),
        ],
        "",
        &[
            ("a.log", "ignored by .gitignore:1"),
            ("deep/down/a.log", "ignored by .gitignore:1"),
            ("keep.log", "counts by .gitignore:4"),
            ("web/keep.log", "ignored by web/.gitignore:1"),
            ("web/src/b.js", "ignored by web/.gitignore:2"),
            ("web/src/app.js", "counts by web/.gitignore:3"),
            // Rules of one folder say nothing of those beside it.
            ("other/b.js", "counts"),
        ],
    );
}

#[test]
fn nothing_in_an_ignored_folder_counts_whatever_is_written_there() {
    check(
        &[(".gitignore", "node_modules/\n/build\n"), ("node_modules/a/.gitignore", "!*\n")],
        "",
        &[
            ("node_modules/", "ignored by .gitignore:1"),
            ("node_modules", "counts"),
            ("node_modules/a/index.js", "ignored by .gitignore:1 (node_modules)"),
            ("web/node_modules/b/", "ignored by .gitignore:1 (web/node_modules)"),
            ("web/build/x", "counts"),
            ("build/x", "ignored by .gitignore:2 (build)"),
        ],
    );
}

#[test]
fn dockers_patterns_begin_in_the_followed_folder_and_may_be_taken_back_below() {
    let files = [
        (".dockerignore", "never read\n*\n"),
        ("web/.dockerignore", "# all but\nnode_modules\n./dist/\n!dist/public\n**/*.tmp\n"),
        ("web/lib/.dockerignore", "*\n"),
    ];
    check(
        &[&[(".git/HEAD", "")][..], &files].concat(),
        "web",
        &[
            ("node_modules/a.js", "ignored by web/.dockerignore:2 (node_modules)"),
            ("lib/node_modules/a.js", "counts"),
            ("dist/a.js", "ignored by web/.dockerignore:3"),
            ("dist/public/a.js", "counts by web/.dockerignore:4"),
            ("lib/a.tmp", "ignored by web/.dockerignore:5"),
            ("lib/a.js", "counts"),
        ],
    );
    let folder = tree(&files);
    let mut rules = Rules::with(&folder.path().join("web"), None);
    assert!(rules.enter(Path::new("dist")) && !rules.enter(Path::new("node_modules")));
}

#[test]
fn the_files_of_rules_of_one_folder_have_an_order() {
    check(
        &[(".gitignore", "a\nb\nc\n"), (".dockerignore", "!b\n"), (".devbridgeignore", "!a\n")],
        "",
        &[
            ("a", "counts by .devbridgeignore:1"),
            ("b", "counts by .dockerignore:1"),
            ("c", "ignored by .gitignore:3"),
        ],
    );
}

#[test]
fn a_repository_rules_from_its_top_and_its_own_files_are_nobodys_code() {
    check(
        &[
            (".git/info/exclude", "secret\n"),
            (".gitignore", "*.o\n/services/web/gen\n"),
            ("services/.gitignore", "!keep.o\n"),
        ],
        "services/web",
        &[
            ("a.o", "ignored by .gitignore:1"),
            ("gen/", "ignored by .gitignore:2"),
            ("keep.o", "counts by services/.gitignore:1"),
            ("secret", "ignored by .git/info/exclude:1"),
            (".git/", "ignored by built in:0"),
            ("sub/.git/index", "ignored by built in:0 (sub/.git)"),
        ],
    );
}

#[test]
fn what_editors_write_beside_a_file_is_nobodys_code() {
    let editors = [".app.js.swp", "app.js~", "4913", ".#app.js", "#app.js#", "app.js___jb_tmp___"];
    let folder = tree(&[]);
    let mut rules = Rules::with(folder.path(), None);
    for name in editors {
        assert!(rules.decide(Path::new(name), false).ignored, "{name}");
    }
    assert!(!rules.decide(Path::new("app.js"), false).ignored);
    assert!(!rules.decide(Path::new("4913/app.js"), false).ignored, "editors write files, and no folders");
}

#[test]
fn a_file_of_rules_is_read_again_when_it_was_written() {
    let folder = tree(&[("a/.gitignore", "x\n")]);
    let mut rules = Rules::with(folder.path(), None);
    assert!(rules.decide(Path::new("a/x"), false).ignored);
    std::fs::write(folder.path().join("a/.gitignore"), "y\n").unwrap();
    rules.forget(Path::new("a"));
    assert!(!rules.decide(Path::new("a/x"), false).ignored);
}

#[test]
fn a_line_that_is_no_pattern_is_told_and_left_out() {
    let folder = tree(&[(".gitignore", "a{b\n*.log\n")]);
    let mut rules = Rules::with(folder.path(), None);
    assert!(rules.decide(Path::new("x.log"), false).ignored);
    let mistakes = rules.mistakes();
    assert_eq!(mistakes.iter().map(|one| one.rule.line).collect::<Vec<_>>(), [1], "{mistakes:?}");
}

const FOLDERS: [&str; 6] = ["a", "b", "a/b", "b/a", "a/b/c", "c/a"];
const NAMES_IN_THEM: [&str; 5] = ["a", "x.o", "b.o", "c", "d"];
const PATTERNS: [&str; 26] = [
    "a", "/a", "a/", "*.o", "!x.o", "!*.o", "a/b", "/a/b", "**/c", "c/**", "a/**/c", "!a", "!a/", "b*",
    "[ab]", "?", "*", "!b", "/*", "!/a", "**", "a/*", "!a/b", "\\!a", "# a", "d ",
];

/// What git itself says: whether a path is ignored, and by which line.
fn gits(root: &Path, paths: &[String]) -> Vec<(bool, String)> {
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(args)
            .current_dir(root)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = git.output().expect("whoever works on this has git");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    std::fs::remove_file(root.join(".git/info/exclude")).unwrap_or_default();
    let mut args = vec!["-c", "core.excludesFile=", "check-ignore", "--no-index", "-v", "-n", "--"];
    args.extend(paths.iter().map(String::as_str));
    let read = |line: &str| {
        let (rule, _) = line.split_once('\t').unwrap();
        let mut parts = rule.splitn(3, ':');
        let (file, line, pattern) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        (!pattern.is_empty() && !pattern.starts_with('!'), format!("{file}:{line}"))
    };
    git(&args).lines().map(read).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 48, ..Default::default() })]

    #[test]
    fn git_says_the_same(
        top in proptest::collection::vec(0..PATTERNS.len(), 1..5),
        below in proptest::collection::vec(0..PATTERNS.len(), 0..4),
        place in 0..FOLDERS.len(),
    ) {
        let lines = |of: &[usize]| of.iter().map(|at| format!("{}\n", PATTERNS[*at])).collect::<String>();
        let deeper = format!("{}/.gitignore", FOLDERS[place]);
        let mut files = vec![(".gitignore".to_owned(), lines(&top)), (deeper, lines(&below))];
        for folder in FOLDERS {
            // Names that are folders here are not files as well.
            for name in NAMES_IN_THEM.iter().filter(|name| !FOLDERS.contains(&format!("{folder}/{name}").as_str())) {
                files.push((format!("{folder}/{name}"), String::new()));
            }
        }
        let borrowed: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let folder = tree(&borrowed);
        let paths: Vec<_> =
            files.iter().map(|(path, _)| path.clone()).chain(FOLDERS.map(str::to_owned)).collect();
        let gits = gits(folder.path(), &paths);
        proptest::prop_assert_eq!(gits.len(), paths.len());
        let mut rules = Rules::with(folder.path(), None);
        for (path, (ignored, line)) in paths.iter().zip(gits) {
            let verdict = rules.decide(Path::new(path), folder.path().join(path).is_dir());
            let ours = verdict.rule.filter(|rule| rule.file.is_some()).map_or(":".to_owned(), |rule| {
                let file = rule.file.unwrap_or_default();
                format!("{}:{}", file.strip_prefix(folder.path()).unwrap().display(), rule.line)
            });
            proptest::prop_assert_eq!((verdict.ignored, ours), (ignored, line), "{} of {:?}", path, files);
        }
    }
}

#[test]
fn the_users_own_rules_are_weaker_than_the_repositorys() {
    let folder = tree(&[(".git/HEAD", ""), (".gitignore", "!mine\n"), ("own", "mine\nyours\n")]);
    let mut rules = Rules::with(folder.path(), Some(&folder.path().join("own")));
    assert_eq!(said(&mut rules, folder.path(), "mine"), "counts by .gitignore:1");
    assert_eq!(said(&mut rules, folder.path(), "yours"), "ignored by own:2");
}
