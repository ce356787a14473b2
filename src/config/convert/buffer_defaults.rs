//! Defaults of a `buffer` section that come from the route's outputs.
//!
//! What the user wrote stands. What they did not write is what the outputs say; of several outputs
//! that say something, all must say the same, since they share the route's chunks: else the user is
//! asked to write it. What no output says is the program's default.

use crate::config::decode::Size;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::FlushMode;
use crate::config::schema;
use crate::config::settings::BufferDefaults;

/// Fills into `buffer`, of the route whose name stands at `route`, what `outputs` say by name.
pub(super) fn fill_in(
    buffer: &mut schema::Buffer,
    outputs: &[(&str, &BufferDefaults)],
    route: Position,
    problems: &mut Problems,
) {
    let mut filling = Filling {
        outputs,
        route,
        problems,
    };
    filling.one(&mut buffer.keys, "keys", |says| {
        let keys = says.keys.clone()?;
        let at = |value| At {
            value,
            position: route,
        };
        Some(keys.into_iter().map(at).collect())
    });
    let keys = buffer.keys.as_ref().map(|keys| &keys.value);
    let has_time = keys.is_some_and(|keys| keys.iter().any(|key| key.value == "time"));
    if has_time {
        filling.one(&mut buffer.timekey, "timekey", |says| says.timekey);
        filling.one(&mut buffer.timekey_wait, "timekey_wait", |says| {
            says.timekey_wait
        });
    }
    filling.one(&mut buffer.flush_mode, "flush_mode", |says| says.flush_mode);
    let mode = buffer.flush_mode.as_ref().map(|mode| mode.value);
    if mode.map_or(!has_time, |mode| mode == FlushMode::Interval) {
        filling.one(&mut buffer.flush_interval, "flush_interval", |says| {
            says.flush_interval
        });
    }
    filling.one(&mut buffer.flush_at_shutdown, "flush_at_shutdown", |says| {
        says.flush_at_shutdown
    });
    filling.one(&mut buffer.chunk_limit_size, "chunk_limit_size", |says| {
        says.chunk_limit_size.map(Size)
    });
    filling.one(
        &mut buffer.chunk_limit_records,
        "chunk_limit_records",
        |says| says.chunk_limit_records,
    );
    filling.one(&mut buffer.max_concurrent, "max_concurrent", |says| {
        says.max_concurrent
    });
    filling.one(
        &mut buffer.delayed_commit_timeout,
        "delayed_commit_timeout",
        |says| says.delayed_commit_timeout,
    );
}

struct Filling<'a> {
    outputs: &'a [(&'a str, &'a BufferDefaults)],
    route: Position,
    problems: &'a mut Problems,
}

impl Filling<'_> {
    /// Fills in one setting, unless the user wrote it.
    fn one<T: Said>(
        &mut self,
        setting: &mut Option<At<T>>,
        name: &str,
        says: impl Fn(&BufferDefaults) -> Option<T>,
    ) {
        if setting.is_some() {
            return;
        }
        let mut said = self
            .outputs
            .iter()
            .filter_map(|(output, defaults)| says(defaults).map(|value| (output, value)));
        let Some((first, value)) = said.next() else {
            return;
        };
        if let Some((other, _)) = said.find(|(_, other)| !other.is_same(&value)) {
            let message = format!(
                "the outputs `{first}` and `{other}` want different values of `{name}`: write it \
                 in `buffer`"
            );
            self.problems.add(self.route, message);
        }
        *setting = Some(At {
            value,
            position: self.route,
        });
    }
}

/// Values that can be compared, as settings hold them.
trait Said {
    fn is_same(&self, other: &Self) -> bool;
}

macro_rules! said {
    ($($kind:ty),*) => {$(
        impl Said for $kind {
            fn is_same(&self, other: &Self) -> bool {
                self == other
            }
        }
    )*};
}

said!(bool, u64, usize, std::time::Duration, FlushMode);

impl Said for Size {
    fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Said for Vec<At<String>> {
    fn is_same(&self, other: &Self) -> bool {
        let texts = |keys: &Self| keys.iter().map(|key| key.value.clone()).collect::<Vec<_>>();
        texts(self) == texts(other)
    }
}
