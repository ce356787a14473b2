//! From a pattern's text to its automaton.

use super::automaton::{Automaton, State, StateId};
use super::{PatternError, PatternFault};

/// How deep `{` may nest.
const DEPTH_MAX: usize = 16;

/// A piece of a pattern.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// These characters.
    Text(String),
    /// Any characters but dots.
    InPart,
    /// Any characters.
    Anything,
    /// Nothing, or a dot and any characters: what `.**` says.
    PartsBehind,
    /// Nothing, or any characters and a dot: what `**.` says at a start.
    PartsBefore,
    /// One of several.
    OneOf(Vec<Vec<Piece>>),
}

/// Compiles one pattern, which holds no white space.
pub(super) fn compile(pattern: &str) -> Result<Automaton, PatternError> {
    let mut parser = Parser {
        pattern,
        at: 0,
        open: Vec::new(),
    };
    if pattern.starts_with('/') {
        return Err(parser.error(0, PatternFault::RegularExpression));
    }
    let pieces = parser.sequence()?;
    if parser.at < pattern.len() {
        return Err(parser.error(parser.at, PatternFault::Unopened));
    }
    let mut automaton = Automaton::new();
    let end = automaton.end();
    let start = add_all(&mut automaton, &pieces, end);
    Ok(automaton.starting_at(start))
}

/// Adds the states of `pieces`, the last piece first, and gives the state to begin with.
fn add_all(automaton: &mut Automaton, pieces: &[Piece], then: StateId) -> StateId {
    let pieces = pieces.iter().rev();
    pieces.fold(then, |then, piece| add(automaton, piece, then))
}

fn add(automaton: &mut Automaton, piece: &Piece, then: StateId) -> StateId {
    match piece {
        Piece::Text(text) => {
            let bytes = text.bytes().rev();
            bytes.fold(then, |then, byte| automaton.add(State::Byte(byte, then)))
        }
        Piece::InPart => automaton.add(State::InPart(then)),
        Piece::Anything => automaton.add(State::Anything(then)),
        Piece::PartsBehind => {
            let anything = automaton.add(State::Anything(then));
            let dot = automaton.add(State::Byte(b'.', anything));
            automaton.add(State::Either(then, dot))
        }
        Piece::PartsBefore => {
            let dot = automaton.add(State::Byte(b'.', then));
            let anything = automaton.add(State::Anything(dot));
            automaton.add(State::Either(then, anything))
        }
        Piece::OneOf(alternatives) => {
            let starts: Vec<_> = alternatives
                .iter()
                .map(|pieces| add_all(automaton, pieces, then))
                .collect();
            let either = |one, other| automaton.add(State::Either(one, other));
            starts.into_iter().reduce(either).unwrap_or(then)
        }
    }
}

struct Parser<'p> {
    pattern: &'p str,
    at: usize,
    /// Where the braces that are open were opened.
    open: Vec<usize>,
}

impl Parser<'_> {
    /// Reads up to the end, or to a `}` or `,` of the braces around.
    fn sequence(&mut self) -> Result<Vec<Piece>, PatternError> {
        let mut pieces = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '}' => break,
                ',' if !self.open.is_empty() => break,
                '{' => pieces.push(self.alternatives()?),
                '*' => {
                    let piece = self.wildcard(&mut pieces);
                    pieces.push(piece);
                }
                '\\' => {
                    self.at += 1;
                    let escaped = self.peek();
                    let escaped =
                        escaped.ok_or_else(|| self.error(self.at - 1, PatternFault::Escape))?;
                    self.text(&mut pieces, escaped);
                }
                c => self.text(&mut pieces, c),
            }
        }
        Ok(pieces)
    }

    fn alternatives(&mut self) -> Result<Piece, PatternError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.error(self.at, PatternFault::TooDeep));
        }
        self.open.push(self.at);
        let mut alternatives = Vec::new();
        loop {
            self.at += 1;
            alternatives.push(self.sequence()?);
            match self.peek() {
                Some(',') => {}
                Some(_) => break,
                None => {
                    let position = self.open.last().copied().unwrap_or(0);
                    return Err(self.error(position, PatternFault::Unclosed));
                }
            }
        }
        self.at += 1;
        self.open.pop();
        Ok(Piece::OneOf(alternatives))
    }

    /// One or several stars. What two of them mean depends on what stands beside them; a dot that
    /// belongs to them is taken.
    fn wildcard(&mut self, before: &mut [Piece]) -> Piece {
        let rest = &self.pattern[self.at..];
        let stars = rest.len() - rest.trim_start_matches('*').len();
        self.at += stars;
        if stars == 1 {
            return Piece::InPart;
        }
        let is_part_end = matches!(self.peek(), None | Some('.' | '}' | ','));
        let is_before_dot = self.peek() == Some('.');
        if is_part_end && take_dot(before) {
            return Piece::PartsBehind;
        }
        if is_before_dot && before.is_empty() {
            self.at += 1;
            return Piece::PartsBefore;
        }
        Piece::Anything
    }

    fn text(&mut self, pieces: &mut Vec<Piece>, c: char) {
        self.at += c.len_utf8();
        match pieces.last_mut() {
            Some(Piece::Text(text)) => text.push(c),
            _ => pieces.push(Piece::Text(c.to_string())),
        }
    }

    fn peek(&self) -> Option<char> {
        self.pattern[self.at..].chars().next()
    }

    fn error(&self, position: usize, fault: PatternFault) -> PatternError {
        PatternError::new(self.pattern, position, fault)
    }
}

/// Takes the dot that the pieces end with, if they do.
fn take_dot(pieces: &mut [Piece]) -> bool {
    let Some(Piece::Text(text)) = pieces.last_mut() else {
        return false;
    };
    let ends_with_dot = text.ends_with('.');
    if ends_with_dot {
        text.pop();
    }
    ends_with_dot
}
