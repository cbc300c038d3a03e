//! Damage that knows nothing of what it damages.

use super::dice::Dice;

/// What parsers look at.
const SIGNS: &[u8] = b"\"\\{}[]:,/ \n0159-+.eEun\x00\x7f\x80\xc3\xed\xff";

/// Up to four changes; `other` is what parts are taken from.
pub fn damage(dice: &mut Dice, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let to = (at + dice.below(12)).min(bytes.len());
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => bytes.insert(at, *dice.pick(SIGNS)),
            3 => bytes.extend_from_within(at..to),
            4 => {
                let from = dice.below(other.len() + 1);
                let part = &other[from..(from + dice.below(40)).min(other.len())];
                bytes.splice(at..to, part.iter().copied());
            }
            5 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *dice.pick(SIGNS)),
        }
    }
}

/// Nothing that was made by anybody.
pub fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(80)).map(|_| if dice.one_in(2) { *dice.pick(SIGNS) } else { dice.roll().to_le_bytes()[0] }).collect()
}
