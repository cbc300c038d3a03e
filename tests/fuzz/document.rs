//! JSON that is nearly right: fields of the examples, changed, moved, doubled, and written in odd ways.

use serde_json::Value;

use super::dice::Dice;

/// What stands in the place of something else; not all of it is JSON.
const ODD: [&str; 40] = [
    "null",
    "true",
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "1.0",
    "1e3",
    "0.1",
    "1.5",
    "-1.7976931348623157e308",
    "1e400",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "5708990770823839524233143877797980545530986496.0",
    "\"\"",
    "\"*\"",
    "\"a\"",
    "\"live\"",
    "\"paused\"",
    "\"all\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\\u0000\"",
    "\"0000-01-01T00:00:00+01:00\"",
    "\"9999-12-31T23:59:59.999-23:59\"",
    "\"2016-12-31T23:59:60.5Z\"",
    "\"2026-03-01t09:00:00.123456z\"",
    "[]",
    "[[]]",
    "[{}]",
    "{}",
    "{\"x\":{\"y\":null}}",
    "nul",
];

enum Node {
    /// As it is written.
    Leaf(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// A document made of an example, with parts of another.
pub fn near(dice: &mut Dice, example: &Value, other: &Value) -> Vec<u8> {
    let mut node = Node::of(example);
    for _ in 0..dice.below(4) {
        let place = dice.below(node.count());
        node.nth(place).change(dice, other);
    }
    let mut text = String::new();
    node.write(dice, &mut text);
    text.into_bytes()
}

impl Node {
    fn of(value: &Value) -> Self {
        match value {
            Value::Array(values) => Self::Array(values.iter().map(Self::of).collect()),
            Value::Object(fields) => {
                Self::Object(fields.iter().map(|(name, value)| (name.clone(), Self::of(value))).collect())
            }
            scalar => Self::Leaf(scalar.to_string()),
        }
    }

    fn count(&self) -> usize {
        1 + match self {
            Self::Leaf(_) => 0,
            Self::Array(nodes) => nodes.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, node)| node.count()).sum(),
        }
    }

    fn nth(&mut self, place: usize) -> &mut Self {
        let Some(mut place) = place.checked_sub(1) else { return self };
        let children: Vec<&mut Self> = match self {
            Self::Leaf(_) => panic!("beyond the last"),
            Self::Array(nodes) => nodes.iter_mut().collect(),
            Self::Object(fields) => fields.iter_mut().map(|(_, node)| node).collect(),
        };
        for child in children {
            let count = child.count();
            if place < count {
                return child.nth(place);
            }
            place -= count;
        }
        panic!("beyond the last");
    }

    fn change(&mut self, dice: &mut Dice, other: &Value) {
        let odd = |dice: &mut Dice| match dice.below(12) {
            0 => Self::Leaf(format!("\"{}\"", "流".repeat(dice.below(400)))),
            1 => Self::Leaf("[".repeat(200) + &"]".repeat(200)),
            _ => Self::Leaf((*dice.pick(&ODD)).to_owned()),
        };
        match self {
            Self::Object(fields) if !fields.is_empty() && !dice.one_in(4) => {
                let at = dice.below(fields.len());
                match dice.below(5) {
                    0 => drop(fields.remove(at)),
                    1 => fields[at].1 = odd(dice),
                    2 => fields.push((fields[at].0.clone(), odd(dice))),
                    3 => fields.push((format!("x-{}", dice.below(9)), odd(dice))),
                    _ => {
                        let Some(other) = other.as_object().filter(|other| !other.is_empty()) else { return };
                        let names: Vec<_> = other.keys().collect();
                        let name = *dice.pick(&names);
                        fields.retain(|(known, _)| known != name);
                        fields.push((name.clone(), Self::of(&other[name])));
                    }
                }
            }
            _ => *self = odd(dice),
        }
    }

    fn write(&self, dice: &mut Dice, text: &mut String) {
        let space = |dice: &mut Dice, text: &mut String| text.push_str(if dice.one_in(20) { " \n" } else { "" });
        space(dice, text);
        match self {
            Self::Leaf(leaf) => text.push_str(leaf),
            Self::Array(nodes) => {
                text.push('[');
                for (at, node) in nodes.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    node.write(dice, text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (at, (name, node)) in fields.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    text.push_str(&written(dice, name));
                    text.push(':');
                    node.write(dice, text);
                }
                text.push('}');
            }
        }
        space(dice, text);
    }
}

/// A name, now and then with its first letter escaped.
fn written(dice: &mut Dice, name: &str) -> String {
    match name.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() && dice.one_in(30) => {
            format!("\"\\u{:04x}{}\"", u32::from(first), &name[1..])
        }
        _ => Value::from(name).to_string(),
    }
}
