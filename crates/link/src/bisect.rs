//! Which of many steps is the one that breaks something.

/// The first of `count` steps, by index, that breaks what worked before any was taken and does not work when all are:
/// `works(n)` tells whether it works when only the first `n` are taken, and is asked about log2 of `count` times.
///
/// Where several steps break it, this is one of them after which it works no more and before which it did.
///
/// # Errors
/// If one of the tries fails.
pub fn first_bad<E>(count: usize, mut works: impl FnMut(usize) -> Result<bool, E>) -> Result<usize, E> {
    let (mut good, mut bad) = (0, count.max(1));
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        match works(middle)? {
            true => good = middle,
            false => bad = middle,
        }
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn every_culprit_is_found_in_few_tries() {
        for count in 1..70_usize {
            for culprit in 0..count {
                let mut tries = 0;
                let found = first_bad(count, |taken| {
                    tries += 1;
                    Ok::<_, Infallible>(taken <= culprit)
                });
                assert_eq!(found, Ok(culprit), "of {count}");
                assert!(tries <= count.ilog2() + 1, "{tries} tries for {count}");
            }
        }
    }

    #[test]
    fn of_two_culprits_the_step_found_is_one() {
        for (count, culprits) in [(9, [2, 7]), (30, [0, 29]), (64, [31, 32])] {
            let works = |taken: usize| Ok::<_, Infallible>(culprits.iter().all(|&culprit| taken <= culprit));
            assert!(culprits.contains(&first_bad(count, works).unwrap()));
        }
    }
}
