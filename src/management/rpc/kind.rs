//! What a method does, beside who may call it.

/// What a call of a method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It shows something and changes nothing.
    Look,
    /// It sends something to users or to a service. A backend may send thousands in a second, and
    /// nothing of it lasts at the server.
    Message,
    /// It changes something that lasts.
    Change,
}

impl Kind {
    /// Its name in definitions.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Message => "message",
            Self::Change => "change",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SERVICES;
    use super::Kind;
    use crate::management::role::Role;

    #[test]
    fn methods_that_show_something_need_the_role_read_but_for_some_that_show_what_is_private() {
        let mut above = Vec::new();
        for (service, methods) in SERVICES {
            for method in *methods {
                let name = format!("{service}/{}", method.name);
                match (method.role, method.kind) {
                    (Role::Read, kind) => assert_eq!(kind, Kind::Look, "{name}"),
                    (_, Kind::Look) => above.push(name),
                    (_, Kind::Message | Kind::Change) => {}
                }
            }
        }
        let private = [
            "audit/listAll",
            "config/check",
            "config/checkRollback",
            "session/getTrace",
        ];
        assert_eq!(above, private);
    }
}
