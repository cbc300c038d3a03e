//! Who gives a command, if nobody says so.

use nix::unistd::{Uid, User};

use crate::schema::command::MAX_ISSUED_BY;

/// User and host.
pub fn who() -> String {
    let host = crate::config::host_name().unwrap_or_else(|| "somewhere".into());
    let who = format!("{}@{host}", user(|name| std::env::var(name).ok()));
    if who.len() <= MAX_ISSUED_BY { who } else { "someone".to_owned() }
}

/// By the environment, else as the system knows the user of this process: services and containers often set no `$USER`.
fn user(environment: impl Fn(&str) -> Option<String>) -> String {
    let told = ["USER", "LOGNAME"].into_iter().find_map(|name| environment(name).filter(|user| !user.is_empty()));
    told.unwrap_or_else(|| {
        let uid = Uid::current();
        // A container may run under a number that has no name.
        User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid-{uid}"), |user| user.name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_the_user_else_the_system_does() {
        let told = |name: &str| Some(if name == "USER" { "anna" } else { "otto" }.to_owned());
        assert_eq!(user(told), "anna");
        assert_eq!(user(|name| told(name).filter(|_| name == "LOGNAME")), "otto");
        let id = std::process::Command::new("id").arg("-un").output().unwrap();
        let system = String::from_utf8(id.stdout).unwrap();
        assert_eq!(user(|_| None), system.trim());
        assert_eq!(user(|_| Some(String::new())), system.trim(), "a variable without a name in it");
        assert!(who().starts_with(&format!("{}@", user(|name| std::env::var(name).ok()))));
    }
}
