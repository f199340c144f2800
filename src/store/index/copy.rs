//! Making another index beside this one, range by range, and counting what it would hold.

use super::{BATCH_ROWS, Index, IndexChange, IndexError, PART, Rows, write};
use crate::store::keys::{self, Key};

/// Rows found by one step of a count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LiveRows {
    /// How many.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// How far the other index has come.
#[derive(Default)]
pub struct Copied {
    /// The last row of sled's that was copied.
    cursor: Vec<u8>,
    whole: bool,
}

impl Copied {
    /// Whether a change of this row has to be made there too: what lies behind the cursor is copied
    /// as it is by then, but for parts of long rows, which may have been copied before their rows.
    fn holds(&self, key: &Key) -> bool {
        let parts = self.cursor.first().is_some_and(|first| *first >= PART);
        self.whole || parts || key.as_bytes() <= &self.cursor[..]
    }
}

impl Index {
    /// Copies the next [`BATCH_ROWS`] rows; `false` when there are none left. An error of the other
    /// index is not one of this.
    pub fn copy_some(&self, copied: &mut Copied, to: &Index) -> Result<bool, IndexError> {
        let Rows::Sled { tree: target, .. } = &to.rows else { return Ok(false) };
        let (mut rows, mut wrote) = (0, Ok(()));
        self.rows_behind(&mut copied.cursor, BATCH_ROWS, &mut |key, value| {
            rows += 1;
            if wrote.is_ok() {
                wrote = target.insert(key, value).map(drop);
            }
        });
        wrote.map_err(|error| IndexError(error.to_string()))?;
        copied.whole = rows == 0;
        Ok(rows > 0)
    }

    /// Counts up to `most` rows behind `cursor` and moves it; `None` when there are none left.
    pub fn count_some(&self, cursor: &mut Vec<u8>, most: usize) -> Option<LiveRows> {
        let mut counted = LiveRows::default();
        self.rows_behind(cursor, most, &mut |key, value| {
            counted.rows += 1;
            counted.bytes += (key.len() + value.len()) as u64;
        });
        (counted.rows > 0).then_some(counted)
    }

    /// The next rows of sled's behind `cursor`, parts as they lie there, without the number up to
    /// which they are complete. The cursor is then at the last of them.
    fn rows_behind(
        &self,
        cursor: &mut Vec<u8>,
        most: usize,
        visit: &mut dyn FnMut(&[u8], sled::IVec),
    ) {
        let Rows::Sled { tree, .. } = &self.rows else { return };
        let applied = keys::applied();
        // The successor of a key is the key and a zero.
        let from = if cursor.is_empty() { Vec::new() } else { [&cursor[..], &[0]].concat() };
        let mut range = tree.range(from..);
        let mut seen = 0;
        while seen < most {
            let step = self.watch.begin();
            let row = range.next();
            drop(step);
            let Some(row) = row else { return };
            let (key, value) = row.unwrap_or_else(|error| self.fail(&error.to_string()));
            cursor.clear();
            cursor.extend_from_slice(&key);
            if key.as_ref() != applied.as_bytes() {
                visit(&key, value);
                seen += 1;
            }
        }
    }

    /// Writes the rows that another index takes, beside it, as far as they were copied: without a
    /// number, for what they are rows of is not complete yet.
    pub fn mirror(&self, changes: &[IndexChange], copied: &Copied) -> Result<(), IndexError> {
        let Rows::Sled { tree, .. } = &self.rows else { return Ok(()) };
        let mut changes = changes.iter().filter(|change| copied.holds(&change.key));
        let wrote = changes.try_for_each(|change| write(tree, change));
        wrote.map_err(|error| IndexError(error.to_string()))
    }

    /// Says that the rows are complete up to `applied`, and hands that to the file system.
    pub fn complete(&self, applied: u64) -> Result<(), IndexError> {
        if let Rows::Sled { tree, .. } = &self.rows {
            tree.insert(keys::applied().as_bytes(), &applied.to_be_bytes())
                .map_err(|error| IndexError(error.to_string()))?;
        }
        self.hand_over()
    }

    /// Hands what sled holds in memory to the file system.
    pub fn hand_over(&self) -> Result<(), IndexError> {
        let tree = match &self.rows {
            Rows::Sled { tree, .. } => tree,
            Rows::Memory(rows) => {
                rows.flush();
                return Ok(());
            }
        };
        tree.flush().map(drop).map_err(|error| IndexError(error.to_string()))
    }
}
