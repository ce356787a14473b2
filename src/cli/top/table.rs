//! Tables that fit: the least important columns go first when there is no room.

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) align: Align,
    /// The higher, the sooner it goes; 0 stays.
    pub(super) rank: u8,
}

/// On which side a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// What stands between two columns.
const GAP: &str = "  ";

impl Column {
    pub(super) const fn left(title: &'static str, rank: u8) -> Self {
        let align = Align::Left;
        Self { title, align, rank }
    }

    pub(super) const fn right(title: &'static str, rank: u8) -> Self {
        let align = Align::Right;
        Self { title, align, rank }
    }
}

/// The rows below their titles, each in `width` characters at most where columns that can go
/// suffice for that.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let widest = |index: usize| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        cells.chain([columns[index].title.len()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(widest).collect();
    let mut shown: Vec<_> = (0..columns.len()).collect();
    while total(&shown, &widths) > width {
        let goes = shown
            .iter()
            .copied()
            .max_by_key(|index| columns[*index].rank);
        match goes {
            Some(index) if columns[index].rank > 0 => shown.retain(|other| *other != index),
            _ => break,
        }
    }
    let titles = columns
        .iter()
        .map(|column| column.title.to_owned())
        .collect();
    let all = std::iter::once(&titles).chain(rows);
    all.map(|row: &Vec<String>| {
        let cells = shown
            .iter()
            .map(|index| cell(&row[*index], widths[*index], columns[*index].align));
        let cells: Vec<_> = cells.collect();
        cells.join(GAP).trim_end().to_owned()
    })
    .collect()
}

fn total(shown: &[usize], widths: &[usize]) -> usize {
    let text: usize = shown.iter().map(|index| widths[*index]).sum();
    text + GAP.len() * shown.len().saturating_sub(1)
}

fn cell(text: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{text:width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_columns_go_first() {
        let columns = [
            Column::left("NAME", 0),
            Column::right("MANY", 1),
            Column::right("FEW", 2),
        ];
        let rows = [vec!["a".to_owned(), "12345".to_owned(), "1".to_owned()]];
        let at = |width| table(&columns, &rows, width);
        assert_eq!(at(80), ["NAME   MANY  FEW", "a     12345    1"]);
        assert_eq!(at(15), ["NAME   MANY", "a     12345"]);
        assert_eq!(at(3), ["NAME", "a"]);
    }
}
