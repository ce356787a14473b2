//! What a value's first byte says about its length: the table that the walk goes by.

use super::Error;

/// Bytes that have to be looked at to know a value's extent: the marker and the widest length.
pub(super) const HEAD_SIZE_MAX: usize = 5;

/// Offsets and the lengths that heads claim (below `2^33` bytes) are added without overflow.
const _: () = assert!(usize::BITS >= 64);

/// What a marker byte says.
///
/// The length of the body is found without a branch: the four bytes behind the marker, as a
/// big-endian number, shifted right by `length_shift`.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// Bytes of marker, length and fixed-size body together.
    pub(super) fixed_size: u8,
    /// 32 if there is no length behind the marker, else 24, 16 or 0 for one of 1, 2 or 4 bytes.
    pub(super) length_shift: u8,
    /// Values inside an array or map, if the marker itself says how many.
    pub(super) inline_children: u8,
    /// What follows.
    pub(super) class: Class,
}

/// What follows a head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// As many bytes as the length says, if there is one.
    Leaf,
    /// As many values as the length says.
    Array,
    /// Twice as many values as the length says.
    Map,
    /// Nothing: the byte is not a marker.
    Invalid,
}

/// A value's head, as read from its bytes.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Bytes of the value without the values inside it.
    pub(super) size: usize,
    /// Values inside it.
    pub(super) children: u64,
    /// Whether it is an array or map, be it empty.
    pub(super) is_container: bool,
}

/// The table, by marker byte.
pub(super) static SHAPES: [Shape; 256] = shapes();

/// Reads the head of the value at `offset`.
///
/// Slower than the walk's own way, but it works up to the last byte.
///
/// # Errors
/// `Incomplete` if the head is not all there, `Malformed` if the byte is not a marker.
pub(super) fn head_at(bytes: &[u8], offset: usize) -> Result<Head, Error> {
    let rest = bytes.get(offset..).unwrap_or_default();
    let Some(&marker) = rest.first() else {
        return Err(Error::Incomplete { needed: 1 });
    };
    let mut padded = [0; HEAD_SIZE_MAX];
    let len = rest.len().min(HEAD_SIZE_MAX);
    padded[..len].copy_from_slice(&rest[..len]);
    let shape = SHAPES[marker as usize];
    if shape.class == Class::Invalid {
        return Err(Error::Malformed { offset, marker });
    }
    let fixed_size = usize::from(shape.fixed_size);
    let length_is_missing = shape.length_shift < 32 && rest.len() < fixed_size;
    if length_is_missing {
        return Err(Error::Incomplete {
            needed: fixed_size - rest.len(),
        });
    }
    Ok(shape.head(padded))
}

impl Head {
    /// The head of a value of `size` bytes that holds no others.
    #[inline]
    pub(super) fn leaf(size: usize) -> Self {
        Self {
            size,
            children: 0,
            is_container: false,
        }
    }
}

impl Shape {
    /// The head that begins with `bytes`, this shape's marker being the first.
    #[inline]
    pub(super) fn head(self, bytes: [u8; HEAD_SIZE_MAX]) -> Head {
        let length = self.length(bytes);
        let fixed_size = usize::from(self.fixed_size);
        let children = u64::from(self.inline_children) + u64::from(length);
        match self.class {
            Class::Leaf | Class::Invalid => Head::leaf(fixed_size + length as usize),
            Class::Array => Head {
                size: fixed_size,
                children,
                is_container: true,
            },
            Class::Map => Head {
                size: fixed_size,
                children: children * 2,
                is_container: true,
            },
        }
    }

    /// The length that stands behind the marker; 0 if there is none.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "what is shifted came from 32 bits"
    )]
    pub(super) fn length(self, bytes: [u8; HEAD_SIZE_MAX]) -> u32 {
        let [_, a, b, c, d] = bytes;
        let wide = u64::from(u32::from_be_bytes([a, b, c, d]));
        (wide >> self.length_shift) as u32
    }
}

const fn shapes() -> [Shape; 256] {
    let mut table = [leaf(1, 0); 256];
    let mut marker: u8 = 0;
    loop {
        table[marker as usize] = shape(marker);
        if marker == u8::MAX {
            return table;
        }
        marker += 1;
    }
}

/// The specification's table of formats, line by line.
const fn shape(marker: u8) -> Shape {
    match marker {
        0x00..=0x7f | 0xe0..=0xff => leaf(1, 0),
        0x80..=0x8f => container(Class::Map, marker & 0x0f, 0),
        0x90..=0x9f => container(Class::Array, marker & 0x0f, 0),
        0xa0..=0xbf => leaf(1 + (marker & 0x1f), 0),
        0xc0 | 0xc2 | 0xc3 => leaf(1, 0),
        0xc1 => container(Class::Invalid, 0, 0),
        0xc4 | 0xd9 => leaf(1, 1),
        0xc5 | 0xda => leaf(1, 2),
        0xc6 | 0xdb => leaf(1, 4),
        0xc7 => leaf(2, 1),
        0xc8 => leaf(2, 2),
        0xc9 => leaf(2, 4),
        0xcc | 0xd0 => leaf(2, 0),
        0xcd | 0xd1 => leaf(3, 0),
        0xca | 0xce | 0xd2 => leaf(5, 0),
        0xcb | 0xcf | 0xd3 => leaf(9, 0),
        0xd4 => leaf(3, 0),
        0xd5 => leaf(4, 0),
        0xd6 => leaf(6, 0),
        0xd7 => leaf(10, 0),
        0xd8 => leaf(18, 0),
        0xdc => container(Class::Array, 0, 2),
        0xdd => container(Class::Array, 0, 4),
        0xde => container(Class::Map, 0, 2),
        0xdf => container(Class::Map, 0, 4),
    }
}

/// `fixed_size` is given without the length's own bytes.
const fn leaf(fixed_size: u8, length_size: u8) -> Shape {
    Shape {
        fixed_size: fixed_size + length_size,
        length_shift: 32 - 8 * length_size,
        inline_children: 0,
        class: Class::Leaf,
    }
}

const fn container(class: Class, inline_children: u8, length_size: u8) -> Shape {
    Shape {
        fixed_size: 1 + length_size,
        length_shift: 32 - 8 * length_size,
        inline_children,
        class,
    }
}
