//! Which of many comes next.

/// How one is drawn.
#[derive(Clone, Copy)]
pub(crate) enum Drawn {
    /// Zipf's law, s = 1: the second comes half as often as the first.
    Zipf,
    Evenly,
}

impl Drawn {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zipf => "by Zipf",
            Self::Evenly => "evenly",
        }
    }
}

/// Positions in a list, always the same ones.
pub(crate) struct Draw {
    state: u64,
    size: usize,
    /// By Zipf's law: the sum of the shares up to each position.
    sums: Vec<f64>,
}

impl Draw {
    pub(crate) fn new(drawn: Drawn, size: usize) -> Self {
        let mut sum = 0.0;
        let share = |rank: usize| {
            sum += 1.0 / (rank + 1) as f64;
            sum
        };
        Self {
            state: 0x9e37_79b9_7f4a_7c15,
            size,
            sums: match drawn {
                Drawn::Zipf => (0..size).map(share).collect(),
                Drawn::Evenly => Vec::new(),
            },
        }
    }

    pub(crate) fn next(&mut self) -> usize {
        // Marsaglia's xorshift.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        match self.sums.last() {
            None => (self.state % self.size as u64) as usize,
            Some(sum) => {
                let drawn = (self.state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
                let rank = self.sums.partition_point(|sum| *sum < drawn);
                rank.min(self.size - 1)
            }
        }
    }
}
