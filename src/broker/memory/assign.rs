//! The cooperative-sticky assignor for one topic: balanced, and otherwise everybody keeps what they have.

use std::collections::BTreeSet;

use super::group_member::GroupMember;

/// Gives each member its assignment for a new generation. Partitions that are to move but whose owner has not yet
/// given them up are in nobody's assignment.
pub(super) fn assign(partitions: i32, members: &mut [&mut GroupMember]) {
    let targets = balance(partitions, &members.iter().map(|member| kept(member, partitions)).collect::<Vec<_>>());
    let held: Vec<BTreeSet<i32>> = members.iter().map(|member| member.held.clone()).collect();
    for (index, (member, target)) in members.iter_mut().zip(targets).enumerate() {
        let elsewhere =
            |partition: &i32| held.iter().enumerate().any(|(other, held)| other != index && held.contains(partition));
        member.assignment = target.into_iter().filter(|partition| !elsewhere(partition)).collect();
    }
}

/// What a member has a claim to. What it is about to give up is not in its assignment, else partitions would go to and
/// fro.
fn kept(member: &GroupMember, partitions: i32) -> BTreeSet<i32> {
    member.assignment.range(..partitions).copied().collect()
}

/// Each member's share: nobody has two more than another, and nobody loses more than balance asks for. Members with
/// more keep the larger shares; of its partitions a member keeps the lowest.
fn balance(partitions: i32, claims: &[BTreeSet<i32>]) -> Vec<BTreeSet<i32>> {
    let count = usize::try_from(partitions).unwrap_or(0);
    let (share, larger) = (count / claims.len().max(1), count % claims.len().max(1));
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(claims[index].len()));
    let mut quota = vec![share; claims.len()];
    for &index in order.iter().take(larger) {
        quota[index] += 1;
    }
    let mut shares: Vec<BTreeSet<i32>> =
        claims.iter().zip(&quota).map(|(claim, &quota)| claim.iter().copied().take(quota).collect()).collect();
    let taken: BTreeSet<i32> = shares.iter().flatten().copied().collect();
    let mut free = (0..partitions).filter(|partition| !taken.contains(partition));
    for (share, quota) in shares.iter_mut().zip(quota) {
        while share.len() < quota {
            let Some(partition) = free.next() else { break };
            share.insert(partition);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::balance;
    use std::collections::BTreeSet;

    fn sets(lists: &[&[i32]]) -> Vec<BTreeSet<i32>> {
        lists.iter().map(|list| list.iter().copied().collect()).collect()
    }

    #[test]
    fn a_newcomer_takes_only_its_share_and_a_leave_gives_it_back() {
        assert_eq!(balance(4, &sets(&[&[]])), sets(&[&[0, 1, 2, 3]]));
        assert_eq!(balance(4, &sets(&[&[0, 1, 2, 3], &[]])), sets(&[&[0, 1], &[2, 3]]));
        assert_eq!(balance(4, &sets(&[&[2, 3]])), sets(&[&[0, 1, 2, 3]]));
        assert_eq!(balance(5, &sets(&[&[0, 1], &[2, 3, 4], &[]])), sets(&[&[0, 1], &[2, 3], &[4]]));
        assert_eq!(balance(1, &sets(&[&[], &[]])), sets(&[&[0], &[]]));
    }
}
