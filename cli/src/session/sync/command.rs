//! The command that runs in the container: its variables put in, and as it is shown.

use tunnel::message::Env;

/// A command as Kubernetes would run it: `$(NAME)` stands for a variable, `$$` for a dollar. One that is not set stays as it
/// is written (`Container.command` in Kubernetes' API).
pub(super) fn expand(command: &[Vec<u8>], env: &Env) -> Vec<Vec<u8>> {
    command.iter().map(|argument| expand_one(argument, env)).collect()
}

fn expand_one(argument: &[u8], env: &Env) -> Vec<u8> {
    let mut expanded = Vec::new();
    let mut rest = argument;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'$', [b'$', more @ ..]) => {
                expanded.push(b'$');
                rest = more;
            }
            (b'$', [b'(', more @ ..]) => {
                let name = more.split(|byte| *byte == b')').next().unwrap_or_default();
                let known = env.variables.iter().find(|(known, _)| known == name);
                match (known, more.get(name.len() + 1..)) {
                    (Some((_, value)), Some(left)) => {
                        expanded.extend_from_slice(value);
                        rest = left;
                    }
                    _ => expanded.push(b'$'),
                }
            }
            _ => expanded.push(byte),
        }
    }
    expanded
}

/// As a person would type it.
pub(super) fn shown(command: &[Vec<u8>]) -> String {
    let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_expanded_as_kubernetes_does() {
        let env = Env { variables: vec![(b"PORT".into(), b"8080".into())], ..Env::default() };
        let expanded = |text: &str| String::from_utf8(expand_one(text.as_bytes(), &env)).unwrap();
        for (written, meant) in [
            ("--port=$(PORT)", "--port=8080"),
            ("$(PORT)$(PORT)", "80808080"),
            ("$$(PORT)", "$(PORT)"),
            ("$(NONE) $PORT $(PORT", "$(NONE) $PORT $(PORT"),
            ("$", "$"),
        ] {
            assert_eq!(expanded(written), meant, "{written}");
        }
    }
}
