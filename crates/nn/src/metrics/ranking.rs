//! How well scores put one class above the others.

use super::check_pair;
use crate::check;
use crate::data::Labels;
use crate::error::{Error, Result};

/// The area under the ROC curve of `scores`, one for each row: the probability that a row of class `positive` has a higher
/// score than a row that is not of it, where ties count half; with weights, over pairs by the product of theirs.
///
/// The scores may be probabilities or logits: only their order counts. It takes O(m log m) for m rows.
///
/// ```
/// // Of the four pairs, three are in order and one is a tie.
/// let area = nn::metrics::roc_auc(&[0, 0, 1, 1], 1, &[0.1, 0.4, 0.4, 0.8])?;
/// assert_eq!(area, 3.5 / 4.0);
/// # Ok::<(), nn::Error>(())
/// ```
///
/// # Errors
/// Those of [`accuracy`](super::accuracy); [`Error::NonFiniteInput`] for a score that is not finite,
/// [`Error::TooFewClasses`] unless there are rows of both kinds with a weight above 0.
pub fn roc_auc<'a>(y: impl Into<Labels<'a>>, positive: i64, scores: &[f32]) -> Result<f64> {
    let y = y.into();
    check_pair(&y, scores.len())?;
    check::finite("the scores", scores, 1)?;
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Adding 0 makes -0 and 0 the same.
    order.sort_by(|&a, &b| (scores[a] + 0.0).total_cmp(&(scores[b] + 0.0)));
    let (mut area, mut positives, mut negatives) = (0.0, 0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let (mut here, mut others) = (0.0, 0.0);
        for &row in tied {
            *(if y.values()[row] == positive { &mut here } else { &mut others }) += y.weight(row);
        }
        area += here * (negatives + 0.5 * others);
        positives += here;
        negatives += others;
    }
    match positives * negatives > 0.0 {
        true => Ok(area / (positives * negatives)),
        false => Err(Error::TooFewClasses { classes: y.classes() }),
    }
}
