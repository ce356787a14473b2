//! Which packages of shared libraries a program needs, read from the program itself.

/// The newest version of the GNU C library that `program` asks for, and what else it links, as a
/// package's `Depends`.
///
/// The names of symbol versions stand as text in an ELF file.
pub(super) fn packages(program: &[u8]) -> String {
    let mut packages = Vec::new();
    if let Some((major, minor)) = newest(program, b"GLIBC_") {
        packages.push(format!("libc6 (>= {major}.{minor})"));
    }
    if find(program, b"libgcc_s.so.1").next().is_some() {
        packages.push("libgcc-s1 (>= 4.2)".to_owned());
    }
    packages.join(", ")
}

/// The greatest `<major>.<minor>` that follows `prefix` anywhere in `program`.
fn newest(program: &[u8], prefix: &[u8]) -> Option<(u32, u32)> {
    let versions = find(program, prefix).filter_map(version);
    versions.max()
}

fn version(text: &[u8]) -> Option<(u32, u32)> {
    let end = text
        .iter()
        .position(|&byte| !b"0123456789.".contains(&byte));
    let text = std::str::from_utf8(&text[..end?]).ok()?;
    let mut numbers = text.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// What follows each occurrence of `text`.
fn find<'a>(bytes: &'a [u8], text: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let windows = bytes.windows(text.len()).enumerate();
    let found = windows.filter(move |(_, window)| *window == text);
    found.map(move |(at, _)| &bytes[at + text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_by_number_is_what_is_needed() {
        let program = b"..GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0GLIBC_PRIVATE\0libgcc_s.so.1\0";
        assert_eq!(packages(program), "libc6 (>= 2.34), libgcc-s1 (>= 4.2)");
        assert_eq!(packages(b"a static program"), "");
    }
}
