//! Header blocks of HTTP/2 (RFC 7541), decoded by somebody who only listens.
//!
//! No crate on crates.io decodes them on their own and is kept up: what there is has no bound on what a block may become, or
//! its last release is years old; the good decoders are private parts of whole HTTP/2 stacks. A listener differs from
//! a peer in one point, too: the size of the table is what the encoder says, within what the other side has announced.

mod huffman;
mod table;
#[cfg(test)]
mod tests;

pub(super) use self::table::DEFAULT_SIZE;
use self::table::Table;

/// Entries of 64 KiB, as RFC 7541 §4.1 counts; browsers announce that much, servers 4 KiB.
const TABLE_LIMIT: usize = 64 << 10;
/// Octets after the first of an integer: 28 bits, more than any length or index here.
const INTEGER_OCTETS: u32 = 4;

/// A name and its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The block can't be decoded; neither can be those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HpackError {
    #[error("the block ends within a field")]
    Truncated,
    #[error("an integer is too large")]
    Integer,
    #[error("the table has no such entry")]
    Index,
    #[error("a string breaks the Huffman code")]
    Huffman,
    #[error("the table is made larger than it may be, or within a block")]
    TableSize,
    #[error("the fields are more than may be kept")]
    TooLong,
}

/// The decoder of one direction.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    table: Table,
}

impl Decoder {
    /// All fields of a block. The encoder's table may have `table` octets, and the fields together `most`, both as RFC 7541
    /// §4.1 counts them: 32 for each field, beside its name and value.
    ///
    /// # Errors
    /// When the block breaks the format, or one of the two bounds.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        table: usize,
        most: usize,
    ) -> Result<Vec<Field>, HpackError> {
        let mut left = block;
        let mut fields = Vec::new();
        let mut room = most;
        while let Some(&first) = left.first() {
            // The pattern of the first bits says what it is (§6).
            let field = if first & 0x80 != 0 {
                let index = integer(&mut left, 7)?;
                self.table.get(index).ok_or(HpackError::Index)?
            } else if first & 0x40 != 0 {
                let field = self.literal(&mut left, 6, room)?;
                self.table.insert(field.clone());
                field
            } else if first & 0x20 != 0 {
                let size = integer(&mut left, 5)?;
                if size > table.min(TABLE_LIMIT) || !fields.is_empty() {
                    return Err(HpackError::TableSize);
                }
                self.table.resize(size);
                continue;
            } else {
                self.literal(&mut left, 4, room)?
            };
            room = room.checked_sub(field.size()).ok_or(HpackError::TooLong)?;
            fields.push(field);
        }
        Ok(fields)
    }

    fn literal(&self, left: &mut &[u8], prefix: u32, most: usize) -> Result<Field, HpackError> {
        let name = match integer(left, prefix)? {
            0 => string(left, most)?,
            index => self.table.get(index).ok_or(HpackError::Index)?.name,
        };
        Ok(Field { name, value: string(left, most)? })
    }
}

impl Field {
    /// As RFC 7541 §4.1 counts.
    pub(super) fn size(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
}

/// An integer whose first bits are the last `prefix` ones of the first octet (§5.1).
fn integer(left: &mut &[u8], prefix: u32) -> Result<usize, HpackError> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(octet(left)?) & mask;
    if value < mask {
        return Ok(value);
    }
    for place in 0..INTEGER_OCTETS {
        let octet = octet(left)?;
        value += usize::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError::Integer)
}

/// A string of at most `most` octets (§5.2).
fn string(left: &mut &[u8], most: usize) -> Result<Vec<u8>, HpackError> {
    let coded = left.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(left, 7)?;
    let (string, rest) = left.split_at_checked(length).ok_or(HpackError::Truncated)?;
    *left = rest;
    if coded {
        return huffman::decode(string, most);
    }
    if string.len() > most { Err(HpackError::TooLong) } else { Ok(string.to_vec()) }
}

fn octet(left: &mut &[u8]) -> Result<u8, HpackError> {
    let (&first, rest) = left.split_first().ok_or(HpackError::Truncated)?;
    *left = rest;
    Ok(first)
}
