//! Commands by their names: `:replay`, `:filter status>=500`, `:session web`.

use super::keymap::Binding;
use crate::command::{Command, Screen};

/// Commands that are typed only.
const TYPED: [(&str, &str); 1] = [("session", "to a session, by id or target [NAME]")];

/// What begins with what is typed so far: name and help.
pub fn completions<'a>(bindings: &'a [Binding], screen: Screen, typed: &str) -> Vec<(&'a str, &'a str)> {
    let word = typed.split(' ').next().unwrap_or_default();
    let of_screen = bindings.iter().filter(|binding| binding.is_for(screen) && binding.name != "palette");
    let all = of_screen.map(|binding| (binding.name, binding.help)).chain(TYPED);
    all.filter(|(name, _)| name.starts_with(word)).collect()
}

/// What was typed, as a command.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(bindings: &[Binding], screen: Screen, typed: &str) -> Result<Command, String> {
    let typed = typed.trim();
    let (word, rest) = typed.split_once(' ').map_or((typed, ""), |(word, rest)| (word, rest.trim()));
    match (word, rest) {
        ("session", name) => return Ok(Command::Session(name.to_owned())),
        ("filter", "") => return Ok(Command::Filter),
        ("filter", filter) => return Ok(Command::FilterBy(filter.to_owned())),
        ("har", path) if !path.is_empty() => return Ok(Command::Har(Some(path.to_owned()))),
        _ => {}
    }
    let found = completions(bindings, screen, word);
    let exact = found.iter().find(|(name, _)| *name == word);
    let name = match (exact, &found[..]) {
        (Some((name, _)), _) | (None, [(name, _)]) => *name,
        (None, []) => return Err(format!("there is no command `{word}` on this screen")),
        (None, several) => {
            let names: Vec<_> = several.iter().map(|(name, _)| *name).take(6).collect();
            return Err(format!("`{word}` may be {}", names.join(", ")));
        }
    };
    if !rest.is_empty() {
        return Err(format!("`{name}` takes nothing: {rest}"));
    }
    let meant = bindings.iter().find(|binding| binding.is_for(screen) && binding.name == name);
    match meant {
        Some(binding) => Ok(binding.command.clone()),
        None => Ok(Command::Session(String::new())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keymap::bindings;
    use super::*;

    #[test]
    fn what_is_typed_is_said_in_full_or_as_far_as_it_is_clear() {
        let all = bindings();
        let parse = |typed: &str| parse(&all, Screen::Requests, typed);
        assert_eq!(parse("replay"), Ok(Command::Replay));
        assert_eq!(parse(" reve "), Ok(Command::Reveal));
        assert_eq!(
            parse("filter status>=500 method=GET"),
            Ok(Command::FilterBy("status>=500 method=GET".into()))
        );
        assert_eq!(parse("har a b.har"), Ok(Command::Har(Some("a b.har".into()))));
        assert_eq!(parse("session web"), Ok(Command::Session("web".into())));
        assert!(parse("re").unwrap_err().contains("replay, "), "{:?}", parse("re"));
        assert!(parse("verify").is_err(), "it is of another screen");
        assert!(parse("replay 12").is_err());
    }
}
