//! What the paper measured: its table 3, "difficulty against nonce", fifty blocks at each of the levels 1 to 5, whose
//! means are drawn in its figure 31. The file beside this one holds all 250 nonces.

const TABLE: &str = include_str!("paper-nonces.csv");

/// The paper's nonces of a level, in the order of its runs; none for another level than 1 to 5.
pub(crate) fn nonces(level: u8) -> Vec<u64> {
    let column = usize::from(level);
    let rows = TABLE.lines().skip(1).filter(|_| (1..=5).contains(&level));
    rows.filter_map(|row| row.split(',').nth(column)?.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The means that the paper states itself.
    #[test]
    fn the_table_gives_the_paper_s_own_means() {
        for (level, mean) in [(1, "26.56"), (2, "216.46"), (3, "10794.20"), (4, "29172.66"), (5, "30431.58")] {
            let nonces = nonces(level);
            assert_eq!(nonces.len(), 50);
            assert_eq!(format!("{:.2}", nonces.iter().sum::<u64>() as f64 / 50.0), mean, "level {level}");
        }
        assert!(nonces(0).is_empty() && nonces(6).is_empty());
    }
}
