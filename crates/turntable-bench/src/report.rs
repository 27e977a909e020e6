//! The results of a benchmark, as a table in Markdown and as JSON.

use serde_json::{Map, Value, json};

use super::histogram::Histogram;

/// A value of a row.
pub(super) enum Cell {
    /// Text.
    Text(String),
    /// A number, and its decimals in a table.
    Number(f64, usize),
    /// Not measured.
    None,
}

impl Cell {
    /// A whole number.
    pub(super) fn count(count: u64) -> Self {
        Self::Number(count as f64, 0)
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number, decimals) => format!("{number:.decimals$}"),
            Self::None => "-".to_owned(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number, _) => json!(number),
            Self::None => Value::Null,
        }
    }
}

/// Median, 99th percentile and maximum in milliseconds, for three columns.
pub(super) fn latency_cells(latency_us: &Histogram) -> [Cell; 3] {
    let ms = |us: u64| Cell::Number(us as f64 / 1000.0, 2);
    [
        ms(latency_us.quantile(0.5)),
        ms(latency_us.quantile(0.99)),
        ms(latency_us.max()),
    ]
}

/// The names of the columns of [`latency_cells`].
pub(super) const LATENCY_COLUMNS: [&str; 3] = ["p50_ms", "p99_ms", "max_ms"];

/// A table: a title, column names that are also JSON keys, and rows.
pub(super) struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub(super) fn new(
        title: impl Into<String>,
        columns: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        Self {
            title: title.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Appends a row, in the order of the columns.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Appends a sentence below the table.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The table in Markdown, with aligned columns.
    pub(super) fn markdown(&self) -> String {
        let head = self.columns.iter().map(|name| (*name).to_owned()).collect();
        let rows = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::shown).collect());
        let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                cells.map(String::len).max().unwrap_or(0).max(3)
            })
            .collect();
        let mut text = format!("\n## {}\n\n", self.title);
        for (index, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                text += &format!("| {cell:>width$} ");
            }
            text += "|\n";
            if index == 0 {
                for width in &widths {
                    text += &format!("|-{:->width$}:", "");
                }
                text += "|\n";
            }
        }
        for note in &self.notes {
            text += &format!("\n{note}\n");
        }
        text
    }

    /// The table as `{"title", "rows": [{COLUMN: VALUE}], "notes"}`.
    pub(super) fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let fields = self.columns.iter().zip(row);
                let fields = fields.map(|(name, cell)| ((*name).to_owned(), cell.json()));
                Value::Object(fields.collect::<Map<_, _>>())
            })
            .collect();
        json!({ "title": self.title, "rows": rows, "notes": self.notes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_and_json() {
        let mut table = Table::new("Fan-out", ["server", "p50_ms", "max_ms"]);
        table.row([Cell::Text("ours".into()), Cell::Number(1.26, 1), Cell::None]);
        table.note("One run.");
        assert_eq!(
            table.markdown(),
            "\n## Fan-out\n\n\
             | server | p50_ms | max_ms |\n\
             |-------:|-------:|-------:|\n\
             |   ours |    1.3 |      - |\n\
             \nOne run.\n"
        );
        assert_eq!(
            table.json(),
            json!({
                "title": "Fan-out",
                "rows": [{ "server": "ours", "p50_ms": 1.26, "max_ms": null }],
                "notes": ["One run."],
            })
        );
    }
}
