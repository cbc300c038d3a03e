//! librdkafka's error codes, sorted once into what to do about them.

use super::mask::words;
use super::native::RespErr::*;
pub(super) use super::native::err2str as name;
use super::native::{Failure, NulByte, RespErr};
use crate::broker::{Action, Code, Error};

impl Failure {
    /// What to do about an error of a transactional call. A fenced producer is of no use, whatever else is said of it.
    pub fn sort(&self) -> Error {
        let code = code(self.code);
        let action = match code {
            Code::Fenced => Action::Rebuild,
            _ if self.fatal => Action::Rebuild,
            _ if self.retriable => Action::Retry,
            _ if self.requires_abort => Action::Abort,
            Code::InvalidArgument => Action::Abort,
            _ => Action::Rebuild,
        };
        Error::new(action, code, format!("{} ({})", words(&self.text), name(self.code)))
    }

    /// What to do about an error of a call outside of transactions.
    pub fn plain(&self) -> Error {
        if self.fatal {
            return Error::new(
                Action::Rebuild,
                code(self.code),
                format!("{} ({})", words(&self.text), name(self.code)),
            );
        }
        plain(self.code, &words(&self.text))
    }
}

/// What to do about an error code of a call outside of transactions: nothing of it is lost, so most are made again.
pub(super) fn plain(err: RespErr, doing: &str) -> Error {
    // Of a call that was under way when a login was refused. Whether that is final is known elsewhere, for all clients together
    // (`Shared::refuse`), and every call asks there first.
    let code = match code(err) {
        Code::Authentication => Code::Other,
        code => code,
    };
    let action = match code {
        Code::InvalidArgument => Action::Stop,
        Code::TooLarge | Code::InvalidTimestamp | Code::InvalidRecord => Action::Abort,
        Code::Fenced => Action::Rebuild,
        _ if err == RD_KAFKA_RESP_ERR__FATAL => Action::Rebuild,
        _ => Action::Retry,
    };
    Error::new(action, code, format!("{doing}: {}", name(err)))
}

/// Why one record was refused. Its transaction cannot be committed without it.
pub(super) fn refused(err: RespErr) -> Error {
    let code = code(err);
    let action = match code {
        Code::Fenced => Action::Rebuild,
        _ if err == RD_KAFKA_RESP_ERR__FATAL => Action::Rebuild,
        _ => Action::Abort,
    };
    Error::new(action, code, format!("a record was refused: {}", name(err)))
}

/// The condition behind an error code.
pub(super) fn code(err: RespErr) -> Code {
    match err {
        RD_KAFKA_RESP_ERR__FENCED
        | RD_KAFKA_RESP_ERR_PRODUCER_FENCED
        | RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH
        | RD_KAFKA_RESP_ERR_TRANSACTION_COORDINATOR_FENCED => Code::Fenced,
        RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
        | RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        // Of offsets: that the group has gone on without this member is all that it tells.
        | RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID
        | RD_KAFKA_RESP_ERR_FENCED_MEMBER_EPOCH
        | RD_KAFKA_RESP_ERR_STALE_MEMBER_EPOCH
        | RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS => Code::StaleGeneration,
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
        | RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
        | RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE => Code::TooLarge,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP => Code::InvalidTimestamp,
        RD_KAFKA_RESP_ERR_INVALID_RECORD | RD_KAFKA_RESP_ERR_INVALID_MSG => Code::InvalidRecord,
        RD_KAFKA_RESP_ERR__QUEUE_FULL => Code::QueueFull,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        | RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID => Code::UnknownTopic,
        RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS => Code::TopicExists,
        RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => Code::OutOfRange,
        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
        | RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED => Code::Denied,
        RD_KAFKA_RESP_ERR__AUTHENTICATION
        | RD_KAFKA_RESP_ERR__SSL
        | RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
        | RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM
        | RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE => Code::Authentication,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
        // Also what a cluster says that has too few brokers up just now.
        | RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR
        | RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS
        | RD_KAFKA_RESP_ERR_NOT_COORDINATOR
        | RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
        | RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
        | RD_KAFKA_RESP_ERR__WAIT_COORD
        | RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS
        | RD_KAFKA_RESP_ERR__IN_PROGRESS
        | RD_KAFKA_RESP_ERR__STATE
        | RD_KAFKA_RESP_ERR__CONFLICT => Code::Busy,
        RD_KAFKA_RESP_ERR__TIMED_OUT
        | RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
        | RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
        | RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT => Code::TimedOut,
        RD_KAFKA_RESP_ERR__INVALID_ARG
        | RD_KAFKA_RESP_ERR_INVALID_CONFIG
        | RD_KAFKA_RESP_ERR_INVALID_PARTITIONS
        | RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
        | RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT
        | RD_KAFKA_RESP_ERR_POLICY_VIOLATION => Code::InvalidArgument,
        _ => Code::Other,
    }
}

/// Whether an error of the client as a whole says that a connection was lost: requests on it may be sent twice.
pub(super) fn is_transport(err: RespErr) -> bool {
    matches!(
        err,
        RD_KAFKA_RESP_ERR__TRANSPORT
            | RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            | RD_KAFKA_RESP_ERR__TIMED_OUT
            | RD_KAFKA_RESP_ERR__RESOLVE
            | RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
    )
}

/// Whether an error of the client as a whole says that the cluster will never let us in, however often we knock.
/// A broken TLS handshake alone does not: a broker that restarts breaks one too.
pub(super) fn is_authentication(err: RespErr, reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    let certificate = ["certificate", "unknown ca", "alert number", "wrong version number", "unsupported protocol"];
    match err {
        RD_KAFKA_RESP_ERR__AUTHENTICATION | RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED => true,
        RD_KAFKA_RESP_ERR__SSL => certificate.iter().any(|word| reason.contains(word)),
        // A broker that wants a certificate closes the connection with an alert, seen as a failed receive.
        RD_KAFKA_RESP_ERR__TRANSPORT => reason.contains("ssl alert") || reason.contains("alert bad certificate"),
        _ => false,
    }
}

/// An error for a name or setting that has no C representation or that librdkafka does not accept.
pub(super) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(Action::Stop, Code::InvalidArgument, detail)
}

impl From<NulByte> for Error {
    fn from(NulByte(text): NulByte) -> Self {
        invalid(format!("a name with a NUL byte: {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::native::Unmasked;
    use super::*;

    fn failure(code: RespErr, retriable: bool, requires_abort: bool, fatal: bool) -> Failure {
        Failure { code, retriable, requires_abort, fatal, text: Unmasked::default() }
    }

    #[test]
    fn transactional_errors_are_sorted() {
        let sorted = |failure: Failure| (failure.sort().action, failure.sort().code);
        let rows = [
            (failure(RD_KAFKA_RESP_ERR__TIMED_OUT, true, false, false), Action::Retry, Code::TimedOut),
            (failure(RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS, true, false, false), Action::Retry, Code::Busy),
            (failure(RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, false, true, false), Action::Abort, Code::StaleGeneration),
            (failure(RD_KAFKA_RESP_ERR__FENCED, false, false, true), Action::Rebuild, Code::Fenced),
            // Fenced is fenced, whatever the flags say.
            (failure(RD_KAFKA_RESP_ERR_PRODUCER_FENCED, false, true, false), Action::Rebuild, Code::Fenced),
            (failure(RD_KAFKA_RESP_ERR_INVALID_TXN_STATE, false, false, true), Action::Rebuild, Code::Other),
            (failure(RD_KAFKA_RESP_ERR__STATE, false, false, false), Action::Rebuild, Code::Busy),
        ];
        for (failure, action, code) in rows {
            assert_eq!(sorted(failure.clone()), (action, code), "{failure:?}");
        }
    }

    /// The reasons are the ones that Kafka 4.3.1 and librdkafka 2.12.1 gave.
    #[test]
    fn only_a_login_refused_for_good_is_an_authentication_error() {
        let rows = [
            (RD_KAFKA_RESP_ERR__AUTHENTICATION, "SASL authentication error: Authentication failed", true),
            (RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed: certificate verify failed: broker certificate", true),
            (RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed: Disconnected", false),
            (RD_KAFKA_RESP_ERR__TRANSPORT, "Receive failed: sslv3 alert bad certificate: SSL alert number 42", true),
            (RD_KAFKA_RESP_ERR__TRANSPORT, "Connect to ipv4#127.0.0.1:1 failed: Connection refused", false),
            (RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down", false),
        ];
        for (err, reason, refused) in rows {
            assert_eq!(is_authentication(err, reason), refused, "{reason}");
        }
    }
}
