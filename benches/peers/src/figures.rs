//! Medians and other ranks.

/// The value that half of them do not exceed.
#[must_use]
pub fn median(values: Vec<f64>) -> f64 {
    rank(values, 0.5)
}

/// The value that a tenth of them do not exceed: what a quiet moment of the machine shows.
#[must_use]
pub fn p10(values: Vec<f64>) -> f64 {
    rank(values, 0.1)
}

/// The value that this share of them does not exceed; nothing has no rank.
#[must_use]
pub fn rank(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share) as usize;
    let last = values.len().saturating_sub(1);
    values.get(index.min(last)).copied().unwrap_or(f64::NAN)
}

/// One by the other, pair by pair: what was measured in the same round.
#[must_use]
pub fn ratios(own: &[f64], base: &[f64]) -> Vec<f64> {
    own.iter().zip(base).map(|(own, base)| own / base).collect()
}
