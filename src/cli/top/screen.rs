//! The terminal: taken over while the picture is shown, and given back as it was.

use std::io::{self, Read as _, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use tokio::sync::mpsc;

use super::view::{Line, Style};

/// Another page to draw on, without a cursor; back again.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Ctrl-C, as a terminal sends it that makes no signal of it.
const CTRL_C: u8 = 3;
/// Ctrl-D.
const CTRL_D: u8 = 4;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// End.
    Quit,
    /// Look again now.
    Other,
}

/// How much can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The terminal on standard input and output, while it is ours.
pub(super) struct Screen {
    before: Termios,
    keys: mpsc::Receiver<u8>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or is gone.
    pub(super) fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut ours = before.clone();
        ours.local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        ours.special_codes[SpecialCodeIndex::VMIN] = 1;
        ours.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Now, &ours)?;
        let (sender, keys) = mpsc::channel(16);
        // It ends with the process: a read of a terminal cannot be called off.
        std::thread::spawn(move || {
            let mut key = [0];
            while matches!(io::stdin().read(&mut key), Ok(1)) {
                if sender.blocking_send(key[0]).is_err() {
                    return;
                }
            }
        });
        let screen = Self { before, keys };
        write(ENTER)?;
        Ok(screen)
    }

    /// How large it is now.
    pub(super) fn size(&self) -> Size {
        let size = tcgetwinsize(io::stdout());
        let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
        // Some terminals do not know.
        Size {
            columns: if columns == 0 { 80 } else { columns.into() },
            rows: if rows == 0 { 24 } else { rows.into() },
        }
    }

    /// Draws `lines` from the top; what there is no room for is counted in the last row.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn draw(&mut self, lines: &[Line], size: Size) -> io::Result<()> {
        write(&picture(lines, size))
    }

    /// The next key; pressed never again once the terminal is gone, which ends the picture too.
    pub(super) async fn key(&mut self) -> Key {
        match self.keys.recv().await {
            Some(b'q' | b'Q' | CTRL_C | CTRL_D) | None => Key::Quit,
            Some(_) => Key::Other,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing more can be done for a terminal that is gone.
        let _ = write(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Every line is written over the one before, and what is left of that is cleared: a picture that
/// is cleared first flickers.
fn picture(lines: &[Line], size: Size) -> String {
    let has_room = lines.len() <= size.rows;
    let shown = if has_room {
        lines.len()
    } else {
        size.rows.saturating_sub(1)
    };
    let mut text = String::from("\x1b[H");
    for (index, line) in lines[..shown].iter().enumerate() {
        if index > 0 {
            text.push_str("\r\n");
        }
        let (on, off) = codes(line.style);
        text.extend([on, &cut(&line.text, size.columns), off, "\x1b[K"]);
    }
    if !has_room {
        let more = format!("... {} more lines", lines.len() - shown);
        text.extend(["\r\n", &cut(&more, size.columns), "\x1b[K"]);
    }
    text.push_str("\x1b[J");
    text
}

fn codes(style: Style) -> (&'static str, &'static str) {
    const OFF: &str = "\x1b[0m";
    match style {
        Style::Plain => ("", ""),
        Style::Title => ("\x1b[1m", OFF),
        Style::Heading => ("\x1b[7m", OFF),
        Style::Bad => ("\x1b[31m", OFF),
    }
}

/// The first characters, as many as a row has room for.
fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line {
            text: text.to_owned(),
            style: Style::Plain,
        }
    }

    #[test]
    fn a_picture_keeps_within_the_screen() {
        let lines: Vec<_> = (0..5).map(|n| line(&format!("line {n}"))).collect();
        let size = Size {
            columns: 4,
            rows: 3,
        };
        let text = picture(&lines, size);
        let rows: Vec<_> = text.split("\r\n").collect();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0], "\x1b[Hline\x1b[K");
        assert_eq!(rows[2], "... \x1b[K\x1b[J");
        let size = Size {
            columns: 80,
            rows: 5,
        };
        assert!(!picture(&lines, size).contains("more"));
    }
}
