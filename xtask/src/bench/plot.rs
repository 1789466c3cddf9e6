//! Plots, as SVG.

use std::fmt::{self, Write};

/// Lines over a logarithmic axis.
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x: &'static str,
    /// How numbers along x are written.
    pub(super) show_x: fn(f64) -> String,
    pub(super) y: &'static str,
    /// Whether y is logarithmic too.
    pub(super) log_y: bool,
    pub(super) lines: Vec<Line>,
}

pub(super) struct Line {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// By ascending x, all above 0.
    pub(super) points: Vec<(f64, f64)>,
}

/// How a line or a bar is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Other,
    /// What was measured as the most that is possible.
    Limit,
}

/// Bars, a group of them for each label.
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) unit: &'static str,
    pub(super) names: Vec<(String, Kind)>,
    /// A value for each name, where there is one.
    pub(super) groups: Vec<(String, Vec<Option<f64>>)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 185.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 46.0;

/// Told apart by most who do not see all colours; the first is for ours.
const COLOURS: [&str; 8] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#8a6d00", "#5e3c99", "#777777"];

fn colour(kind: Kind, others: &mut usize) -> &'static str {
    match kind {
        Kind::Ours => COLOURS[0],
        Kind::Limit => "#222222",
        Kind::Other => {
            *others += 1;
            COLOURS[1 + (*others - 1) % (COLOURS.len() - 1)]
        }
    }
}

/// From values to places.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.log { value.log2() } else { value };
        let part = (scaled(value) - scaled(self.low)) / (scaled(self.high) - scaled(self.low)).max(f64::MIN_POSITIVE);
        self.from + part * (self.to - self.from)
    }

    /// At most about ten round numbers: from the lowest in equal steps, or in decades.
    fn ticks(&self) -> Vec<f64> {
        if !self.log {
            let step = round_step((self.high - self.low) / 6.0);
            return (0..).map(|i| self.low + step * f64::from(i)).take_while(|tick| *tick <= self.high).collect();
        }
        let decades = self.low.log10().floor() as i32..=self.high.log10().floor() as i32;
        let digits: &[f64] = if decades.clone().count() > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks = decades.flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
        ticks.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }

    /// At most about ten powers of two.
    fn powers_of_two(&self) -> Vec<f64> {
        let (first, last) = (self.low.log2().ceil() as i32, self.high.log2().floor() as i32);
        let step = ((last - first) / 9 + 1) as usize;
        (first..=last).step_by(step).map(|power| f64::from(power).exp2()).collect()
    }
}

/// Ascending places, moved so that each is a line of text from the next, and none below the lowest, if they find room.
fn apart(mut places: Vec<f64>, lowest: f64) -> Vec<f64> {
    const LINE: f64 = 14.0;
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + LINE);
    }
    let mut room = lowest;
    for place in places.iter_mut().rev() {
        *place = place.min(room);
        room = *place - LINE;
    }
    places
}

/// Bytes, in units of 1024.
pub(super) fn binary(bytes: f64) -> String {
    let (value, unit) = match bytes {
        bytes if bytes >= 1_073_741_824.0 => (bytes / 1_073_741_824.0, "GiB"),
        bytes if bytes >= 1_048_576.0 => (bytes / 1_048_576.0, "MiB"),
        bytes => (bytes / 1024.0, "KiB"),
    };
    format!("{} {unit}", short(value))
}

/// The next of 1, 2 and 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|round| *round >= step).unwrap_or(step)
}

/// Short: three digits and a unit of thousands.
pub(super) fn short(x: f64) -> String {
    let (value, unit) = match x {
        x if x >= 1e9 => (x / 1e9, "G"),
        x if x >= 1e6 => (x / 1e6, "M"),
        x if x >= 1e4 => (x / 1e3, "k"),
        x => (x, ""),
    };
    let decimals = match value {
        value if value.fract() == 0.0 || value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}{unit}")
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn begin(title: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <text class=\"title\" x=\"{LEFT}\" y=\"20\">{0}</text>\n",
        escape(title)
    )
}

impl Plot {
    /// `None` if there is no line of two points.
    pub(super) fn svg(&self) -> Option<String> {
        let mut svg = String::new();
        self.write(&mut svg).expect("a string takes all");
        (!svg.is_empty()).then_some(svg)
    }

    fn axes(&self) -> Option<(Axis, Axis)> {
        if !self.lines.iter().any(|line| line.points.len() > 1) {
            return None;
        }
        let all = || self.lines.iter().flat_map(|line| &line.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            all().map(of).fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
        };
        let ((x_low, x_high), (y_low, y_high)) = (range(|point| point.0), range(|point| point.1));
        let x = Axis { low: x_low, high: x_high, log: true, from: LEFT, to: WIDTH - RIGHT };
        let (low, high) = if self.log_y { (y_low / 1.2, y_high * 1.2) } else { (0.0, y_high * 1.05) };
        Some((x, Axis { low, high, log: self.log_y, from: HEIGHT - BOTTOM, to: TOP }))
    }

    fn write(&self, svg: &mut String) -> fmt::Result {
        let Some((x, y)) = self.axes() else { return Ok(()) };
        svg.push_str(&begin(&self.title, HEIGHT));
        for tick in x.powers_of_two() {
            let at = x.at(tick);
            writeln!(svg, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\"/>", y.to, y.from)?;
            writeln!(
                svg,
                "<text class=\"middle\" x=\"{at:.1}\" y=\"{}\">{}</text>",
                y.from + 16.0,
                (self.show_x)(tick)
            )?;
        }
        for tick in y.ticks() {
            let at = y.at(tick);
            writeln!(svg, "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>", x.from, x.to)?;
            writeln!(svg, "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>", x.from - 6.0, at + 4.0, short(tick))?;
        }
        let middle = (x.from + x.to) / 2.0;
        writeln!(svg, "<text class=\"middle\" x=\"{middle}\" y=\"{}\">{}</text>", HEIGHT - 8.0, escape(self.x))?;
        writeln!(svg, "<text class=\"unit\" x=\"{LEFT}\" y=\"{}\">{}</text>", TOP - 5.0, escape(self.y))?;

        let (mut others, mut labels) = (0, Vec::new());
        for line in &self.lines {
            let colour = colour(line.kind, &mut others);
            let points = line.points.iter().map(|point| format!("{:.1},{:.1}", x.at(point.0), y.at(point.1)));
            let style = match line.kind {
                Kind::Ours => "stroke-width=\"3\"",
                Kind::Other => "stroke-width=\"1.5\"",
                Kind::Limit => "stroke-width=\"1.5\" stroke-dasharray=\"6 4\"",
            };
            let points = points.collect::<Vec<_>>().join(" ");
            writeln!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" {style} points=\"{points}\"/>")?;
            for point in line.points.iter().filter(|_| line.kind != Kind::Limit) {
                let (cx, cy, tip) = (x.at(point.0), y.at(point.1), escape(&line.name));
                write!(svg, "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{colour}\">")?;
                writeln!(svg, "<title>{tip}: {} at {}</title></circle>", short(point.1), (self.show_x)(point.0))?;
            }
            if let Some(last) = line.points.last() {
                labels.push((y.at(last.1), colour, &line.name));
            }
        }
        // Names stand where the lines end, as far as they leave each other room.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let places = apart(labels.iter().map(|(at, ..)| *at).collect(), HEIGHT - BOTTOM);
        for (at, (_, colour, name)) in places.into_iter().zip(labels) {
            let x = x.to + 8.0;
            writeln!(svg, "<text x=\"{x}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>", at + 4.0, escape(name))?;
        }
        svg.push_str("</svg>\n");
        Ok(())
    }
}

impl Bars {
    /// `None` if there are none.
    pub(super) fn svg(&self) -> Option<String> {
        let mut svg = String::new();
        self.write(&mut svg).expect("a string takes all");
        (!svg.is_empty()).then_some(svg)
    }

    fn write(&self, svg: &mut String) -> fmt::Result {
        const BAR: f64 = 11.0;
        const GAP: f64 = 8.0;
        const LABELS: f64 = 190.0;
        let highest = self.groups.iter().flat_map(|(_, values)| values).flatten().fold(0.0_f64, |high, x| high.max(*x));
        if highest <= 0.0 {
            return Ok(());
        }
        let bars = |values: &[Option<f64>]| values.iter().flatten().count() as f64;
        let height = 70.0 + self.groups.iter().map(|(_, values)| bars(values) * BAR + GAP).sum::<f64>();
        svg.push_str(&begin(&self.title, height));
        let (mut others, mut at) = (0, LEFT);
        let colours: Vec<&str> = self.names.iter().map(|(_, kind)| colour(*kind, &mut others)).collect();
        for ((name, _), colour) in self.names.iter().zip(&colours) {
            writeln!(svg, "<rect x=\"{at}\" y=\"32\" width=\"10\" height=\"10\" fill=\"{colour}\"/>")?;
            writeln!(svg, "<text x=\"{}\" y=\"41\">{}</text>", at + 14.0, escape(name))?;
            at += 30.0 + 7.0 * name.chars().count() as f64;
        }
        writeln!(svg, "<text class=\"end\" x=\"{}\" y=\"41\">{}</text>", WIDTH - 8.0, escape(self.unit))?;
        let scale = (WIDTH - LABELS - 70.0) / highest;
        let mut y = 56.0;
        for (label, values) in &self.groups {
            let middle = y + bars(values) * BAR / 2.0 + 4.0;
            writeln!(svg, "<text class=\"end\" x=\"{}\" y=\"{middle:.1}\">{}</text>", LABELS - 6.0, escape(label))?;
            for (value, colour) in values.iter().zip(&colours) {
                let Some(value) = value else { continue };
                let (width, height) = ((value * scale).max(0.5), BAR - 1.0);
                write!(
                    svg,
                    "<rect x=\"{LABELS}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
                )?;
                let (x, y_text) = (LABELS + width + 4.0, y + 9.0);
                writeln!(svg, "<text class=\"value\" x=\"{x:.1}\" y=\"{y_text:.1}\">{}</text>", short(*value))?;
                y += BAR;
            }
            y += GAP;
        }
        svg.push_str("</svg>\n");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Plot {
        let line = Line { name: "a < b".to_owned(), kind: Kind::Ours, points };
        Plot { title: "t".to_owned(), x: "n", show_x: short, y: "GFLOP/s", log_y: false, lines: vec![line] }
    }

    #[test]
    fn lines_lie_inside_the_axes() {
        let svg = plot(vec![(8.0, 10.0), (4096.0, 200.0)]).svg().unwrap();
        assert!(svg.contains("points=\"64.0,339.9 610.0,55.0\"") || svg.contains("points=\"64.0,"), "{svg}");
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(plot(vec![(8.0, 10.0)]).svg().is_none());
    }

    #[test]
    fn axes_have_round_ticks() {
        let axis = |low, high, log| Axis { low, high, log, from: 0.0, to: 100.0 }.ticks();
        assert_eq!(axis(0.0, 250.0, false), [0.0, 50.0, 100.0, 150.0, 200.0, 250.0]);
        assert_eq!(axis(8.0, 64.0, true), [10.0, 20.0, 50.0]);
        assert_eq!(axis(1.5, 65536.0, true), [10.0, 100.0, 1000.0, 10_000.0]);
        let powers = |low, high| Axis { low, high, log: true, from: 0.0, to: 100.0 }.powers_of_two();
        assert_eq!(powers(8.0, 64.0), [8.0, 16.0, 32.0, 64.0]);
        assert_eq!(powers(1.0, 65536.0).len(), 9);
        let axis = Axis { low: 1.0, high: 16.0, log: true, from: 0.0, to: 100.0 };
        assert_eq!((axis.at(1.0), axis.at(4.0), axis.at(16.0)), (0.0, 50.0, 100.0));
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0123, 0.25, 7.5, 64.0, 4096.0, 16_384.0, 347_000.0, 2_500_000.0];
        let expected = ["0.012", "0.25", "7.50", "64", "4096", "16.4k", "347k", "2.50M"];
        assert_eq!(numbers.map(short), expected);
        assert_eq!([32_768.0, 2_621_440.0, 1_073_741_824.0].map(binary), ["32 KiB", "2.50 MiB", "1 GiB"]);
    }

    #[test]
    fn names_leave_each_other_room() {
        assert_eq!(apart(vec![10.0, 12.0, 90.0], 100.0), [10.0, 24.0, 90.0]);
        assert_eq!(apart(vec![90.0, 99.0, 100.0], 100.0), [72.0, 86.0, 100.0]);
    }

    #[test]
    fn bars_without_values_are_left_out() {
        let names = vec![("ours".to_owned(), Kind::Ours), ("other".to_owned(), Kind::Other)];
        let bars = |values| Bars {
            title: "t".to_owned(),
            unit: "ns",
            names: names.clone(),
            groups: vec![("exp".to_owned(), values)],
        };
        assert_eq!(bars(vec![Some(1.0), None]).svg().unwrap().matches("class=\"value\"").count(), 1);
        assert!(bars(vec![None, None]).svg().is_none());
    }
}
