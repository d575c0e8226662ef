//! Questions of DNS that brought nothing, and which of them matter.
//!
//! A resolver asks for a name with each domain of its search list until one is there, and for IPv6 addresses where there are
//! none: most of what brings nothing is the way to something that did.

use tunnel::status::Name;

/// Whether nothing was found where something was to be. `all` are the names of the session.
pub(super) fn is_in_vain(name: &Name, all: &[Name]) -> bool {
    let found = |other: &&Name| other.asked > other.failed;
    let another_kind = |other: &Name| other.name == name.name && other.kind != name.kind;
    let without_domain = |other: &Name| {
        name.name.strip_prefix(other.name.as_str()).is_some_and(|domain| domain.starts_with('.'))
    };
    name.failed > 0 && !all.iter().filter(found).any(|other| another_kind(other) || without_domain(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str, kind: &str, failed: u64) -> Name {
        Name { name: name.into(), kind: kind.into(), asked: 1, failed, ..Name::default() }
    }

    #[test]
    fn the_way_to_what_was_found_is_no_failure() {
        let all = [
            name("api.example.com", "A", 0),
            name("api.example.com", "AAAA", 1),
            name("api.example.com.shop.svc.cluster.local", "A", 1),
            name("redis", "A", 1),
            name("redis.shop.svc.cluster.local", "A", 1),
            name("api.example.community", "A", 1),
        ];
        let vain: Vec<_> =
            all.iter().filter(|name| is_in_vain(name, &all)).map(|name| &name.name[..]).collect();
        assert_eq!(vain, ["redis", "redis.shop.svc.cluster.local", "api.example.community"]);
    }
}
