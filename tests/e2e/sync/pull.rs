//! What the program in the pod makes comes to the laptop.

use super::*;

harness::tests![what_the_program_writes_is_pulled_aside_of_what_is_there];

async fn what_the_program_writes_is_pulled_aside_of_what_is_there(world: World) {
    let generates = |text: &str| {
        let writes = format!("for f in out mine; do echo {text} > /app/gen/$f.txt; done");
        format!("mkdir -p /app/gen\n{writes}\n{}", script(text))
    };
    world.echo(Echo::new("web").app(&SCRIPT)).await;
    write(&world, "code/run.sh", generates("first"));
    write(&world, "code/lib/code.txt", "code");
    write(&world, "code/gen/mine.txt", "mine");
    // What came from the pod is no reason to ignore it, and being ignored none to leave it there.
    write(&world, "code/.gitignore", "gen/\n");
    for folder in ["code", "code/gen", "code/lib"] {
        std::fs::set_permissions(world.path(folder), std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let read = |path: &str| std::fs::read_to_string(world.path(path)).map_err(|error| error.to_string());
    let becomes = async |path: &str, text: &'static str| {
        deadline::eventually(deadline::PODS, "a file comes from the pod", || async {
            match read(path) {
                Ok(found) if found == text => Ok(()),
                other => Err(format!("{path}: {other:?}")),
            }
        })
        .await;
    };
    let mut session = synced(&world, &["--to", "/app", "--pull", "gen/,*.lock"]).await;
    answered_by(&world, "first").await;
    becomes("code/gen/out.txt", "first\n").await;
    let said =
        session.line("state: gen/mine.txt differs in the pod; its version is in ", deadline::PODS).await;
    let aside = said.rsplit_once(" is in ").expect("a path").1.to_owned();
    assert!(aside.starts_with(world.path(".local/state/devbridge/pulled").to_str().unwrap()), "{aside}");
    becomes(&aside, "first\n").await;

    // What was pulled before is replaced, what the developer wrote is not.
    write(&world, "code/run.sh", generates("second"));
    answered_by(&world, "second").await;
    becomes("code/gen/out.txt", "second\n").await;
    becomes(&aside, "second\n").await;
    assert_eq!(read("code/gen/mine.txt").as_deref(), Ok("mine"));

    // Removed in the pod, it stays here; removed here, it stays in the pod, and so does the folder that it is in.
    in_the_pod(&world, &["sh", "-c", "rm /app/gen/out.txt; echo lock > /app/lib/a.lock"]).await;
    becomes("code/lib/a.lock", "lock\n").await;
    assert_eq!(read("code/gen/out.txt").as_deref(), Ok("second\n"));
    let from = session.lines();
    std::fs::remove_dir_all(world.path("code/lib")).unwrap();
    session.line_after(from, "state: in sync @ ", SAVED).await;
    let there = in_the_pod(&world, &["ls", "/app/lib"]).await;
    assert_eq!(there, ["a.lock"], "{there:?}");
    let (code, said) = world.devbridge_ends(&["sync", "verify"]).await;
    assert!(code == 0 && said.stdout().contains("in sync @ "), "{said:?}");
    leaves(&world, session).await;
}
