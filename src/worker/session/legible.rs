//! Whether all that lies in a queue topic can be read by this gate.

use crate::schema::entry::Foreign;
use crate::worker::stop::Stop;

/// What was read of a queue topic; `None` of what holds no event, somebody else's records among them.
///
/// # Errors
/// Where an event may be held that only a gate of another version can read: to pass over it would lose it.
pub fn legible<T>(read: Result<Option<T>, Foreign>) -> Result<Option<T>, Stop> {
    match read {
        Ok(read) => Ok(read),
        Err(foreign) if foreign.may_be_held => Err(Stop::broken(format!(
            "{foreign}; if a newer flowgate wrote it, run that one: an event may be held there, and this one would lose it"
        ))),
        Err(foreign) => {
            tracing::error!(%foreign, "somebody else wrote into a queue topic; passed over");
            Ok(None)
        }
    }
}
