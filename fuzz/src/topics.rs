//! Every flow id has a queue topic that Kafka takes, and no two have the same.

use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;

use super::End;
use super::take::Take;

pub fn check(bytes: &[u8]) -> End {
    let mut take = Take(bytes);
    let (one, other, prefix) = (take.part(), take.part(), take.part());
    let number = u32::from(take.byte()) + 1;
    let [one, other, prefix] = [one, other, prefix].map(|part| std::str::from_utf8(part).unwrap_or_default());
    let topics = Topics::new(prefix).unwrap_or_else(|_| Topics::new("flow").unwrap());
    let (Ok(one), Ok(other)) = (FlowId::new(one), FlowId::new(other)) else { return End::Refused };
    // As Kafka compares them: it refuses a topic whose name differs from another's in dots and underscores only.
    let [a, b, next] = [(&one, number), (&other, number), (&one, number + 1)].map(|(flow, number)| {
        let name = topics.queue(flow, number);
        assert!(name.len() <= 249 && name.starts_with(&topics.queue_prefix()), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{name}");
        name.replace('.', "_")
    });
    assert_eq!(a == b, one == other, "{a} and {b}");
    assert_ne!(a, next);
    End::Understood
}
