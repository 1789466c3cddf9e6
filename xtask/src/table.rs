//! Text in columns.

use std::fmt::{self, Write};

/// A title, a line of headings, and as many cells in each row: the first to the left, the others to the right.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        let mut line = |cells: &[String]| writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes all");
        line(&self.headings);
        let rule = |column| if column == 0 { "---" } else { "---:" };
        line(&(0..self.headings.len()).map(|column| rule(column).to_owned()).collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(row));
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| &row[column]);
            cells.chain([&self.headings[column]]).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.headings.len()).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        writeln!(f, "{}", self.title)?;
        for row in [&self.headings].into_iter().chain(&self.rows) {
            write!(f, "  {:<width$}", row[0], width = widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        Table { title: "times".to_owned(), headings: row(["case", "µs"]), rows: vec![row(["a long name", "1.25"])] }
    }

    #[test]
    fn columns_are_aligned() {
        assert_eq!(table().to_string(), "times\n  case           µs\n  a long name  1.25\n");
    }

    #[test]
    fn markdown_aligns_numbers_to_the_right() {
        let expected = "### times\n\n| case | µs |\n| --- | ---: |\n| a long name | 1.25 |\n";
        assert_eq!(table().markdown(), expected);
    }
}
