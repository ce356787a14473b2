use super::*;

const PAGE: &str = include_str!("../../FORMAT.md");

/// The rows `| offset | size | `name` | ...` under the heading.
fn table(heading: &str) -> Vec<(usize, usize, String)> {
    let (_, section) = PAGE
        .split_once(&format!("\n## {heading}\n"))
        .expect("no such section");
    let section = section.split("\n## ").next().unwrap_or(section);
    section.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<(usize, usize, String)> {
    let mut cells = line.split('|').map(str::trim).skip(1);
    let offset = cells.next()?.parse().ok()?;
    let size = cells.next()?.parse().ok()?;
    Some((offset, size, cells.next()?.trim_matches('`').to_owned()))
}

#[test]
fn the_format_page_says_what_the_constants_say() {
    let records = [
        ("Fixed header", header::FIELDS, HEADER_LEN),
        ("Seal record", seal::FIELDS, SEAL_LEN),
        ("Destination slot", slot::FIELDS, SLOT_LEN),
        ("Frame", frame::FIELDS, FRAME_HEAD_LEN),
    ];
    for (heading, fields, len) in records {
        let constants: Vec<_> = fields
            .iter()
            .map(|field| (field.offset, field.size, field.name.to_owned()))
            .collect();
        assert_eq!(table(heading), constants, "{heading}");
        assert_eq!(
            fields.iter().map(|field| field.size).sum::<usize>(),
            len,
            "{heading}"
        );
    }
}

#[test]
fn the_format_page_says_where_the_records_lie() {
    for (text, constant) in [
        (format!("At offset {SEAL_OFFSET}. All zeros"), SEAL_OFFSET),
        (format!("{SLOTS_OFFSET} + {SLOT_LEN} `i`"), SLOTS_OFFSET),
        (
            format!("slot n - 1 (n <= {MAX_DESTINATIONS})"),
            MAX_DESTINATIONS,
        ),
        (format!("first sector, {SECTOR_LEN} bytes"), SECTOR_LEN),
        (
            format!("one block of {BLOCK_LEN} bytes"),
            to_usize(BLOCK_LEN),
        ),
    ] {
        assert!(
            PAGE.contains(&text),
            "{constant}: the page does not say {text:?}"
        );
    }
}
