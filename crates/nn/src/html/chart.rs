//! Curves over epochs, as SVG.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// Room for the labels of the axes.
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 20.0;

/// What each epoch has of something; a value that is missing or not finite is left out.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) training: Vec<Option<f64>>,
    pub(super) validation: Vec<Option<f64>>,
}

impl Chart {
    /// The drawing, unless there is nothing to draw.
    pub(super) fn to_svg(&self) -> Option<String> {
        let all = || self.training.iter().chain(&self.validation).flatten().copied().filter(|value| value.is_finite());
        let (low, high) = all().fold(None, |range: Option<(f64, f64)>, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })?;
        // Of differences that are hardly more than rounding there is nothing to see.
        let size = high.abs().max(low.abs());
        let step = step_for(if high - low > 1e-12 * size { high - low } else { size });
        let (bottom, top) = ((low / step).floor() * step, ((high / step).ceil() * step).max(low + step));
        let epochs = self.training.len().max(2);
        let x = |epoch: usize| LEFT + (WIDTH - LEFT - RIGHT) * (epoch as f64) / (epochs - 1) as f64;
        let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - bottom);

        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" font-size=\"12\"><text x=\"{LEFT}\" y=\"18\" \
             font-size=\"15\">{}</text>",
            self.title
        );
        let (left, right) = (LEFT, WIDTH - RIGHT);
        for line in 0..=((top - bottom) / step).round() as usize {
            let value = bottom + step * line as f64;
            let at = y(value);
            // Writing to a string does not fail.
            let _ = write!(
                svg,
                "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#e1e1e1\"/><text x=\"{:.0}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{}</text>",
                left - 6.0,
                at + 4.0,
                short(value)
            );
        }
        for epoch in [1, self.training.len().div_ceil(2), self.training.len()] {
            let at = x(epoch - 1);
            let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{epoch}</text>", HEIGHT - 20.0);
        }
        for (name, values, colour, place) in
            [("training", &self.training, "#1f77b4", 0.0), ("validation", &self.validation, "#d62728", 90.0)]
        {
            let points = values.iter().enumerate().filter_map(|(epoch, value)| Some((epoch, (*value)?)));
            let points: Vec<_> = points.filter(|(_, value)| value.is_finite()).collect();
            if points.is_empty() {
                continue;
            }
            let path: String =
                points.iter().map(|&(epoch, value)| format!("{:.1},{:.1} ", x(epoch), y(value))).collect();
            let _ = write!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{:.0}\" y=\"18\" \
                 fill=\"{colour}\">{name}</text>",
                path.trim_end(),
                WIDTH - 200.0 + place
            );
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }
}

/// 1, 2 or 5 times a power of ten, such that there are 3 to 8 of them in `range`.
fn step_for(range: f64) -> f64 {
    // Powers of ten are numbers down to this.
    let aimed = if range > 1e-300 { range / 5.0 } else { 0.1 };
    let mut power = 1.0;
    while power > aimed {
        power /= 10.0;
    }
    while power * 10.0 <= aimed {
        power *= 10.0;
    }
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|&step| step >= aimed).unwrap_or(10.0 * power)
}

/// Without the digits that are only rounding.
fn short(value: f64) -> String {
    let text = format!("{value:.6}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "0" | "-0" if value.abs() > 1e-12 => format!("{value:.1e}"),
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_neither_few_nor_many() {
        for range in [1e-9, 0.003, 0.9, 1.0, 4.99, 5.0, 5.01, 70.0, 1e12] {
            let step = step_for(range);
            assert!((2.0..=10.0).contains(&(range / step)), "{range}: {step}");
        }
        assert_eq!((step_for(0.0), step_for(5.0), step_for(6.0)), (0.1, 1.0, 2.0));
    }

    #[test]
    fn curves_without_a_finite_value_are_left_out() {
        let chart = |training, validation| Chart { title: "t", training, validation };
        assert_eq!(chart(vec![None, Some(f64::NAN)], vec![None, None]).to_svg(), None);
        assert_eq!(chart(vec![], vec![]).to_svg(), None);
        // What cannot be told apart is a line.
        for value in [1e-310, 1e-200, 0.3, 1e16, 1e300] {
            for other in [value, value * (1.0 + 1e-15), 0.0] {
                let svg = chart(vec![Some(value), Some(other)], vec![None; 2]).to_svg().unwrap();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
        let svg = chart(vec![Some(2.0), Some(f64::INFINITY), Some(1.0)], vec![None; 3]).to_svg().unwrap();
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert!(svg.contains("70.0,30.0 620.0,260.0"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
