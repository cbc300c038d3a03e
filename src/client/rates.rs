//! One rate for several drains.

use crate::flow::Rate;

/// Divides the rate in proportion to what each flow holds, so that all of them end at about the same time. The parts are
/// together the whole to the last thousandth, and none is nothing. `None`: it is too little for so many.
#[must_use]
pub fn divide(rate: Rate, held: &[u64]) -> Option<Vec<Rate>> {
    let whole = rate.thousandths();
    if u64::try_from(held.len()).ok()? > whole {
        return None;
    }
    // A flow that holds nothing yet may hold something when it is resumed.
    let weights: Vec<u128> = held.iter().map(|held| u128::from(*held).max(1)).collect();
    let sum: u128 = weights.iter().sum();
    let share = |weight: &u128| u64::try_from(u128::from(whole) * weight / sum).unwrap_or(whole).max(1);
    let mut parts: Vec<u64> = weights.iter().map(share).collect();
    let mut by_size: Vec<usize> = (0..parts.len()).collect();
    by_size.sort_by_key(|place| std::cmp::Reverse(parts[*place]));
    // What was rounded off goes to the largest ones, and what the smallest were given comes from them.
    let mut missing = i128::from(whole) - parts.iter().map(|part| i128::from(*part)).sum::<i128>();
    while missing != 0 {
        for place in &by_size {
            match missing {
                1.. => (parts[*place], missing) = (parts[*place] + 1, missing - 1),
                ..=-1 if parts[*place] > 1 => (parts[*place], missing) = (parts[*place] - 1, missing + 1),
                _ => {}
            }
        }
    }
    parts.into_iter().map(Rate::of_thousandths).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn divided(rate: &str, held: &[u64]) -> Option<Vec<String>> {
        let parts = divide(rate.parse().unwrap(), held)?;
        Some(parts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_has_its_part_and_none_has_nothing() {
        let some = |parts: &[&str]| Some(parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert_eq!(divided("500", &[100, 300, 0]), some(&["124.689", "374.065", "1.246"]));
        assert_eq!(divided("500", &[1, 4]), some(&["100", "400"]));
        assert_eq!(divided("10", &[1, 1, 1]), some(&["3.334", "3.333", "3.333"]));
        assert_eq!(divided("0.003", &[1_000_000, 1, 1]), some(&["0.001", "0.001", "0.001"]));
        assert_eq!(divided("0.002", &[1, 1, 1]), None);
        assert_eq!(divided("4294967295", &[u64::MAX, u64::MAX]), some(&["2147483647.5", "2147483647.5"]));
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(whole in 1_u64..=4_294_967_295_000, held in prop::collection::vec(any::<u64>(), 1..50)) {
            let rate = Rate::of_thousandths(whole).unwrap();
            match divide(rate, &held) {
                None => prop_assert!((held.len() as u64) > whole),
                Some(parts) => {
                    prop_assert_eq!(parts.len(), held.len());
                    prop_assert_eq!(parts.iter().map(|part| part.thousandths()).sum::<u64>(), whole);
                }
            }
        }
    }
}
