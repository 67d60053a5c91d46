//! Columns: all readings of an interval, one column of integers a key, packed.
//!
//! ```text
//! { 1: form, 2: rows, 3: times, 4: [[name, presence or null, values], ...] }
//! ```
//!
//! `form` 0 writes a column as an array of integers and is for fewer than [`PACKED_FROM`] rows, `form` 1 as one byte
//! string in the standalone format of pco (number type i64, one chunk). Times are milliseconds and rise. Columns stand in
//! the order of [`Key`]. `presence` has a bit for each row, lowest bit first, and is there only when some row lacks the
//! key; a column without any value is left out. The packer may choose among packings of the same numbers, so the
//! bytes, not the numbers, are what is hashed.

use crate::cbor::{self, CborError};
use minicbor::{Decode, Encode, Encoder, decode, encode};
use pco::ChunkConfig;
use pco::standalone::{DecompressorItem, FileDecompressor, simple_compress};
use std::collections::BTreeSet;
use units::{Key, Reading, Timestamp};

/// Rows of an interval: more than an hour at a reading a second. Bounds what a reader expands.
pub const ROWS_MAX: usize = 4_096;
/// Columns: more than there are keys (nine quantities, six channels).
pub const COLUMNS_MAX: usize = 64;
/// From so many rows on, columns are packed; below, pco's own header outweighs what it saves.
pub const PACKED_FROM: usize = 64;

/// A reading and when it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When the answer arrived.
    pub time: Timestamp,
    /// What the meter said.
    pub reading: Reading,
}

/// Why rows cannot be written as columns, or bytes are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// Not of the form drawn above.
    #[error("not columns of readings: {0}")]
    Form(#[from] CborError),
    /// No rows, or too many.
    #[error("{0} rows; an interval has 1 to {ROWS_MAX}")]
    RowCount(usize),
    /// Written in a form that is not the one for this number of rows.
    #[error("columns of form {form} with {rows} rows; below {PACKED_FROM} rows the form is 0, from there on 1")]
    Packing {
        /// As stated.
        form: u8,
        /// As stated.
        rows: usize,
    },
    /// Times do not rise.
    #[error("the time {} ms does not come after the row before", .0.ms())]
    Time(Timestamp),
    /// A time before 1970 or after the year 292 million.
    #[error("{0} ms is no time")]
    TimeRange(i64),
    /// A column of an unknown name, or out of order.
    #[error("the column `{0}` is unknown or out of order")]
    Key(String),
    /// A column's presence bits are of the wrong length, or needless.
    #[error("the presence bits of the column `{0}` do not fit the rows")]
    Presence(Key),
    /// A column has more or fewer values than rows that have it.
    #[error("the column `{0}` does not have one value for each row")]
    ValueCount(Key),
    /// The column of times has more or fewer values than rows.
    #[error("the column of times does not have one value for each row")]
    TimeCount,
    /// A quantity that cannot be negative is.
    #[error("the column `{0}` has a negative value")]
    Negative(Key),
    /// The packing is broken.
    #[error("a packed column cannot be read: {0}")]
    Packed(String),
}

/// One column's integers.
#[derive(Debug, PartialEq, Eq)]
enum Series {
    Plain(Vec<i64>),
    Packed(Vec<u8>),
}

const FORM_PLAIN: u8 = 0;
const FORM_PACKED: u8 = 1;

impl<C> Encode<C> for Series {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            Self::Plain(values) => values.encode(e, context),
            Self::Packed(bytes) => e.bytes(bytes)?.ok(),
        }
    }
}

impl<C> Decode<'_, C> for Series {
    fn decode(d: &mut decode::Decoder<'_>, context: &mut C) -> Result<Self, decode::Error> {
        match d.datatype()? {
            minicbor::data::Type::Bytes => Ok(Self::Packed(d.bytes()?.to_vec())),
            _ => cbor::bounded::<ROWS_MAX, C, i64>(d, context).map(Self::Plain),
        }
    }
}

impl Series {
    fn pack(values: Vec<i64>, form: u8) -> Result<Self, ColumnsError> {
        if form == FORM_PLAIN {
            return Ok(Self::Plain(values));
        }
        let packed = simple_compress(&values, &ChunkConfig::default());
        packed.map(Self::Packed).map_err(|error| ColumnsError::Packed(error.to_string()))
    }

    /// The integers, at most [`ROWS_MAX`]; `form` as the columns state it.
    fn unpack(self, form: u8, count: usize) -> Result<Vec<i64>, ColumnsError> {
        match (self, form) {
            (Self::Plain(values), FORM_PLAIN) => Ok(values),
            (Self::Packed(bytes), FORM_PACKED) => unpack(&bytes, count),
            _ => Err(ColumnsError::Packing { form, rows: count }),
        }
    }
}

/// Unpacks one chunk of `count` numbers and nothing else. The call that lets the input choose the size is not used.
fn unpack(bytes: &[u8], count: usize) -> Result<Vec<i64>, ColumnsError> {
    let broken = |error: pco::errors::PcoError| ColumnsError::Packed(error.to_string());
    let other_count = || ColumnsError::Packed("it holds another number of values than there are rows".to_owned());
    let (file, rest) = FileDecompressor::new(bytes).map_err(broken)?;
    let DecompressorItem::Chunk(mut chunk) = file.chunk_decompressor::<i64, _>(rest).map_err(broken)? else {
        return Err(other_count());
    };
    if chunk.n() != count {
        return Err(other_count());
    }
    let mut values = vec![0; count];
    let progress = chunk.read(&mut values).map_err(broken)?;
    match file.chunk_decompressor::<i64, _>(chunk.into_src()).map_err(broken)? {
        DecompressorItem::EndOfData([]) if progress.finished && progress.n_processed == count => Ok(values),
        _ => Err(other_count()),
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct WireColumns {
    #[n(1)]
    form: u8,
    #[n(2)]
    rows: u32,
    #[n(3)]
    times: Series,
    #[cbor(n(4), decode_with = "cbor::bounded::<COLUMNS_MAX, _, _>")]
    columns: Vec<WireColumn>,
}

#[derive(Encode, Decode)]
struct WireColumn {
    #[n(0)]
    name: String,
    #[n(1)]
    presence: Option<minicbor::bytes::ByteVec>,
    #[n(2)]
    values: Series,
}

/// The readings of an interval column by column: what is checked and summed up, without making rows of them.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) times: Vec<Timestamp>,
    /// In the order of their keys; none is empty.
    columns: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    key: Key,
    /// Which rows have a value; `None` for all.
    presence: Option<Vec<bool>>,
    values: Vec<i64>,
}

impl Table {
    /// Of rows in their order.
    pub(super) fn of(rows: &[Row]) -> Self {
        let keys: BTreeSet<Key> = rows.iter().flat_map(|row| row.reading.iter().map(|(key, _)| key)).collect();
        let column = |key| {
            let values: Vec<i64> = rows.iter().filter_map(|row| row.reading.get(key)).collect();
            let all = values.len() == rows.len();
            let presence = (!all).then(|| rows.iter().map(|row| row.reading.get(key).is_some()).collect());
            Column { key, presence, values }
        };
        Self { times: rows.iter().map(|row| row.time).collect(), columns: keys.into_iter().map(column).collect() }
    }

    /// All values of the keys that are wanted, key by key, each in the order of its rows.
    pub(super) fn values(&self, wanted: impl Fn(Key) -> bool) -> impl Iterator<Item = i64> {
        self.columns.iter().filter(move |column| wanted(column.key)).flat_map(|column| column.values.iter().copied())
    }

    /// The values of one key in the order of their rows.
    pub(super) fn column(&self, key: impl Into<Key>) -> &[i64] {
        let place = self.columns.binary_search_by_key(&key.into(), |column| column.key);
        place.ok().and_then(|place| self.columns.get(place)).map_or(&[], |column| &column.values)
    }

    /// As [`Table::values`], each with the time of its row.
    pub(super) fn timed(&self, wanted: impl Fn(Key) -> bool) -> impl Iterator<Item = (Timestamp, i64)> {
        let columns = self.columns.iter().filter(move |column| wanted(column.key));
        columns.flat_map(|column| {
            let has = |row: usize| column.presence.as_ref().is_none_or(|presence| presence[row]);
            let times = self.times.iter().enumerate().filter(move |(row, _)| has(*row));
            times.map(|(_, time)| *time).zip(column.values.iter().copied())
        })
    }

    fn rows(self) -> Vec<Row> {
        let row = |time| Row { time, reading: Reading::new() };
        let mut rows: Vec<Row> = self.times.into_iter().map(row).collect();
        for Column { key, presence, values } in self.columns {
            let has = |place: usize| presence.as_ref().is_none_or(|presence| presence[place]);
            let here = rows.iter_mut().enumerate().filter(|(place, _)| has(*place)).map(|(_, row)| row);
            here.zip(values).for_each(|(row, value)| row.reading.insert(key, value));
        }
        rows
    }
}

/// Writes rows as columns.
///
/// # Errors
/// When there are none or too many, times do not rise, or a quantity that cannot be negative is.
pub(super) fn write(rows: &[Row]) -> Result<Vec<u8>, ColumnsError> {
    let form = form_of(rows.len())?;
    let Table { times, columns } = Table::of(rows);
    let ms = times.iter().map(|time| i64::try_from(time.ms()).map_err(|_| ColumnsError::TimeRange(i64::MAX)));
    let wire = WireColumns {
        form,
        rows: u32::try_from(rows.len()).map_err(|_| ColumnsError::RowCount(rows.len()))?,
        times: Series::pack(ms.collect::<Result<_, _>>()?, form)?,
        columns: columns.into_iter().map(|column| encode_column(column, form)).collect::<Result<_, _>>()?,
    };
    check_times(&times)?;
    Ok(cbor::encode(&wire))
}

/// The form for a number of rows.
fn form_of(rows: usize) -> Result<u8, ColumnsError> {
    match rows {
        1..PACKED_FROM => Ok(FORM_PLAIN),
        PACKED_FROM..=ROWS_MAX => Ok(FORM_PACKED),
        _ => Err(ColumnsError::RowCount(rows)),
    }
}

fn check_times(times: &[Timestamp]) -> Result<(), ColumnsError> {
    match times.windows(2).find(|pair| pair[1] <= pair[0]) {
        Some(pair) => Err(ColumnsError::Time(pair[1])),
        None => Ok(()),
    }
}

fn check_sign(key: Key, values: &[i64]) -> Result<(), ColumnsError> {
    if !key.quantity.is_signed() && values.iter().any(|value| *value < 0) {
        return Err(ColumnsError::Negative(key));
    }
    Ok(())
}

fn encode_column(column: Column, form: u8) -> Result<WireColumn, ColumnsError> {
    let Column { key, presence, values } = column;
    check_sign(key, &values)?;
    let bits = |presence: Vec<bool>| {
        let mut bits = vec![0u8; presence.len().div_ceil(8)];
        for (row, _) in presence.iter().enumerate().filter(|(_, here)| **here) {
            bits[row / 8] |= 1 << (row % 8);
        }
        bits.into()
    };
    Ok(WireColumn { name: key.to_string(), presence: presence.map(bits), values: Series::pack(values, form)? })
}

/// Reads columns back as rows.
///
/// # Errors
/// As [`read_table`].
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Row>, ColumnsError> {
    Ok(read_table(bytes)?.rows())
}

/// Reads columns.
///
/// # Errors
/// When the bytes are not of the one form that [`write`] writes (but for the packing, which is the packer's choice).
pub(super) fn read_table(bytes: &[u8]) -> Result<Table, ColumnsError> {
    let WireColumns { form, rows, times, columns } = cbor::decode(bytes)?;
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    if form_of(rows)? != form {
        return Err(ColumnsError::Packing { form, rows });
    }
    let times = times.unpack(form, rows)?;
    if times.len() != rows {
        return Err(ColumnsError::TimeCount);
    }
    let time = |ms: i64| u64::try_from(ms).map(Timestamp::from_ms).map_err(|_| ColumnsError::TimeRange(ms));
    let times: Vec<Timestamp> = times.into_iter().map(time).collect::<Result<_, _>>()?;
    check_times(&times)?;
    let mut read: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let key: Key = column.name.parse().map_err(ColumnsError::Key)?;
        if read.last().is_some_and(|before| before.key >= key) {
            return Err(ColumnsError::Key(column.name));
        }
        read.push(decode_column(key, column, rows, form)?);
    }
    Ok(Table { times, columns: read })
}

fn decode_column(key: Key, column: WireColumn, rows: usize, form: u8) -> Result<Column, ColumnsError> {
    let presence = match column.presence {
        None => None,
        Some(bits) => Some(read_presence(&bits, rows).ok_or(ColumnsError::Presence(key))?),
    };
    let count = presence.as_ref().map_or(rows, |presence| presence.iter().filter(|here| **here).count());
    let values = column.values.unpack(form, count)?;
    if values.len() != count {
        return Err(ColumnsError::ValueCount(key));
    }
    check_sign(key, &values)?;
    Ok(Column { key, presence, values })
}

/// Presence bits of exactly `rows` rows, some set and some not, the spare ones zero.
fn read_presence(bits: &[u8], rows: usize) -> Option<Vec<bool>> {
    if bits.len() != rows.div_ceil(8) {
        return None;
    }
    let mut all = bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    let present: Vec<bool> = all.by_ref().take(rows).collect();
    (!all.any(|spare| spare) && present.contains(&true) && present.contains(&false)).then_some(present)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use units::{Channel, Quantity};

    fn row(time: u64, values: &[(Quantity, i64)]) -> Row {
        let mut reading = Reading::new();
        values.iter().for_each(|(quantity, value)| reading.insert(*quantity, *value));
        Row { time: Timestamp::from_ms(time), reading }
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let reading = proptest::collection::vec(proptest::option::weighted(0.8, 0..1i64 << 40), Quantity::ALL.len());
        proptest::collection::vec((1..100_000u64, reading), 1..150).prop_map(|list| {
            let mut time = 1_700_000_000_000;
            let row = |(step, values): (u64, Vec<Option<i64>>)| {
                time += step;
                let values: Vec<_> = Quantity::ALL.into_iter().zip(values).filter_map(|(q, v)| Some((q, v?))).collect();
                let mut row = row(time, &values);
                if time % 3 == 0 {
                    row.reading.insert(Key { quantity: Quantity::Voltage, channel: Channel::L2 }, i64::MAX);
                    row.reading.insert(Quantity::ActivePower, i64::MIN);
                }
                row
            };
            list.into_iter().map(row).collect()
        })
    }

    proptest! {
        #[test]
        fn rows_survive_their_columns(rows in rows()) {
            let bytes = write(&rows).unwrap();
            prop_assert_eq!(read(&bytes), Ok(rows));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }

        #[test]
        fn damaged_columns_decode_without_panic(
            rows in rows(), at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = write(&rows).unwrap();
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = read(&bytes);
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn damaged_packing_unpacks_without_panic(
            values in proptest::collection::vec(0..1_000_000i64, 64..600), at in any::<prop::sample::Index>(), value in any::<u8>(),
        ) {
            let mut bytes = simple_compress(&values, &ChunkConfig::default()).unwrap();
            prop_assert!(unpack(&bytes, values.len()) == Ok(values.clone()));
            prop_assert!(unpack(&bytes, values.len() - 1).is_err() && unpack(&bytes, values.len() + 1).is_err());
            prop_assert!(unpack(&[bytes.as_slice(), &[0]].concat(), values.len()).is_err());
            let at = at.index(bytes.len());
            bytes[at] = value;
            let _ = unpack(&bytes, values.len());
        }
    }

    #[test]
    fn reject_rows_that_no_meter_gives() {
        let volt = |time, value| row(time, &[(Quantity::Voltage, value)]);
        for (rows, error) in [
            (vec![], ColumnsError::RowCount(0)),
            (vec![volt(1, 1); ROWS_MAX + 1], ColumnsError::RowCount(ROWS_MAX + 1)),
            (vec![volt(5, 1), volt(5, 1)], ColumnsError::Time(Timestamp::from_ms(5))),
            (vec![volt(5, 1), volt(4, 1)], ColumnsError::Time(Timestamp::from_ms(4))),
            (vec![volt(u64::MAX, 1)], ColumnsError::TimeRange(i64::MAX)),
            (vec![volt(5, -1)], ColumnsError::Negative(Quantity::Voltage.into())),
        ] {
            assert_eq!(write(&rows), Err(error));
        }
    }

    #[test]
    fn reject_columns_that_could_be_written_otherwise() {
        let plain = |values: &[i64]| Series::Plain(values.to_vec());
        let column = |name: &str, presence: Option<&[u8]>, values: &[i64]| WireColumn {
            name: name.to_owned(),
            presence: presence.map(|bits| bits.to_vec().into()),
            values: plain(values),
        };
        let (volt, amp) = (Quantity::Voltage.into(), Quantity::Current.into());
        let wire = |columns| WireColumns { form: FORM_PLAIN, rows: 2, times: plain(&[1, 2]), columns };
        let full = || column("voltage_mv", None, &[7, 8]);
        for (wire, outcome) in [
            (wire(vec![full(), column("current_ua", Some(&[0b10]), &[9])]), Ok(())),
            (wire(vec![column("current_ua", None, &[1, 2]), full()]), Err(ColumnsError::Key("voltage_mv".into()))),
            (wire(vec![full(), full()]), Err(ColumnsError::Key("voltage_mv".into()))),
            (wire(vec![column("volt", None, &[1, 2])]), Err(ColumnsError::Key("volt".into()))),
            (wire(vec![column("voltage_mv", None, &[1])]), Err(ColumnsError::ValueCount(volt))),
            (wire(vec![column("voltage_mv", None, &[1, -2])]), Err(ColumnsError::Negative(volt))),
            (wire(vec![column("current_ua", Some(&[0b11]), &[1, 2])]), Err(ColumnsError::Presence(amp))),
            (wire(vec![column("current_ua", Some(&[0b00]), &[])]), Err(ColumnsError::Presence(amp))),
            (wire(vec![column("current_ua", Some(&[0b101]), &[1])]), Err(ColumnsError::Presence(amp))),
            (wire(vec![column("current_ua", Some(&[1, 0]), &[1])]), Err(ColumnsError::Presence(amp))),
            (WireColumns { times: plain(&[1]), ..wire(vec![]) }, Err(ColumnsError::TimeCount)),
            (WireColumns { times: plain(&[-1, 2]), ..wire(vec![]) }, Err(ColumnsError::TimeRange(-1))),
            (WireColumns { rows: 0, ..wire(vec![]) }, Err(ColumnsError::RowCount(0))),
            (WireColumns { rows: 64, ..wire(vec![]) }, Err(ColumnsError::Packing { form: 0, rows: 64 })),
            (WireColumns { form: 1, ..wire(vec![]) }, Err(ColumnsError::Packing { form: 1, rows: 2 })),
            (
                WireColumns { times: Series::Packed(vec![]), ..wire(vec![]) },
                Err(ColumnsError::Packing { form: 0, rows: 2 }),
            ),
        ] {
            assert_eq!(read(&cbor::encode(&wire)).map(drop), outcome);
        }
    }
}
