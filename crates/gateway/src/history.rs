//! A meter's past wherever it still is: the local file first, and what the file has let go, or never had, from the
//! database server. Pages, exports and programs read it here, so that all say the same.

use crate::store::{Archive, DatabaseUrl, Level, Rollup, StoreError, StoredReading};
use std::sync::Arc;
use tokio::sync::Mutex;
use units::{MeterId, Millis, Timestamp};

/// The end of time, as far as a database's integers reach.
const FOREVER: Timestamp = Timestamp::from_ms(i64::MAX.unsigned_abs());

/// Where rows were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The gateway's own file.
    File,
    /// The database server: the archive.
    Server,
}

/// Rows of one place, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<T> {
    /// The rows; none when there are no more.
    pub rows: Vec<T>,
    /// Where they were read.
    pub place: Place,
    /// Why the server could not be asked for what it alone has; then the file's rows are not all there were.
    pub away: Option<String>,
}

/// A gateway's databases, for reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    file: Archive,
    server: Option<Arc<Server>>,
}

/// The server with its connections, once there are any.
#[derive(Debug)]
struct Server {
    url: DatabaseUrl,
    connected: Mutex<Option<Archive>>,
}

impl History {
    /// Of a local file, and of the server that it is forwarded to.
    #[must_use]
    pub fn new(file: Archive, server: Option<DatabaseUrl>) -> Self {
        let server = server.map(|url| Arc::new(Server { url, connected: Mutex::new(None) }));
        Self { file, server }
    }

    /// The next readings of a meter from a time (inclusive) to another (exclusive), oldest first, at most `limit` and of
    /// one place; what comes behind the last one is asked for with a later `from`.
    ///
    /// # Errors
    /// When the local file refuses, or a row was changed by hand.
    pub async fn readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Piece<StoredReading>, StoreError> {
        let spans = self.let_go(meter).await?;
        let (mut from, until, mut away) = (from, until.min(FOREVER), None);
        while from < until {
            let (place, end) = place_of(&spans, from);
            let end = end.min(until);
            let mut piece = Piece { rows: Vec::new(), place, away: None };
            if let (Place::Server, Some(server)) = (place, &self.server) {
                match server.readings(meter, from, end, limit).await {
                    Ok(rows) => piece.rows = rows,
                    Err(error @ StoreError::Value { .. }) => return Err(error),
                    Err(error) => {
                        away = Some(error.to_string());
                        piece.place = Place::File;
                    }
                }
            }
            if piece.place == Place::File {
                piece.rows = self.file.readings(meter, from, end, limit).await?;
            }
            if !piece.rows.is_empty() {
                return Ok(Piece { away, ..piece });
            }
            from = end;
        }
        Ok(Piece { rows: Vec::new(), place: Place::File, away })
    }

    /// All readings of a span, oldest first, at most `limit`, with the place of each.
    ///
    /// # Errors
    /// As [`History::readings`].
    pub async fn span(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Piece<StoredReading>>, StoreError> {
        let (mut from, mut left, mut pieces) = (from, limit, Vec::new());
        while left > 0 {
            let piece = self.readings(meter, from, until, left).await?;
            let Some(last) = piece.rows.last() else {
                if piece.away.is_some() {
                    pieces.push(piece);
                }
                break;
            };
            from = last.row.time + Millis::from_ms(1);
            left = left.saturating_sub(u32::try_from(piece.rows.len()).unwrap_or(u32::MAX));
            pieces.push(piece);
        }
        Ok(pieces)
    }

    /// Roll-ups of a meter that begin within a span, oldest first and of one place; what comes behind the last one is asked
    /// for with a later `from`. They are kept alike in both places, so the server is asked only for what is older than the
    /// file's first.
    ///
    /// # Errors
    /// As [`History::readings`].
    pub async fn rollups(
        &self,
        meter: &MeterId,
        level: Level,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Piece<Rollup>, StoreError> {
        let (until, mut away) = (until.min(FOREVER), None);
        if let Some(server) = &self.server {
            let first = self.file.first_rollup(meter, level).await?.unwrap_or(FOREVER).min(until);
            if from < first {
                match server.rollups(meter, level, from, first).await {
                    Ok(rows) if rows.is_empty() => {}
                    Ok(rows) => return Ok(Piece { rows, place: Place::Server, away: None }),
                    Err(error @ StoreError::Value { .. }) => return Err(error),
                    Err(error) => away = Some(error.to_string()),
                }
            }
        }
        Ok(Piece { rows: self.file.rollups(meter, level, from, until).await?, place: Place::File, away })
    }

    /// Closes what it has opened itself.
    pub async fn close(&self) {
        if let Some(server) = &self.server
            && let Some(archive) = server.connected.lock().await.take()
        {
            archive.close().await;
        }
    }

    /// The spans of which the file has not everything, in order: before its first row, and the days of which retention
    /// removed rows. None without a server: then nobody has more.
    async fn let_go(&self, meter: &MeterId) -> Result<Vec<(Timestamp, Timestamp)>, StoreError> {
        if self.server.is_none() {
            return Ok(Vec::new());
        }
        let first = self.file.readings(meter, Timestamp::default(), FOREVER, 1).await?;
        let first = first.first().map_or(FOREVER, |stored| stored.row.time);
        let mut spans = vec![(Timestamp::default(), first)];
        for (start, end) in self.file.thinned_of(meter).await? {
            match spans.last_mut().filter(|(_, last)| *last >= start) {
                Some((_, last)) => *last = end.max(*last),
                None => spans.push((start, end)),
            }
        }
        Ok(spans)
    }
}

/// Where a time's rows are, and up to which time that is so.
fn place_of(spans: &[(Timestamp, Timestamp)], at: Timestamp) -> (Place, Timestamp) {
    match spans.iter().find(|(_, end)| *end > at) {
        Some((start, end)) if *start <= at => (Place::Server, *end),
        Some((start, _)) => (Place::File, *start),
        None => (Place::File, FOREVER),
    }
}

impl Server {
    async fn readings(
        &self,
        meter: &MeterId,
        from: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let archive = self.connection().await?;
        self.heard(archive.readings(meter, from, until, limit).await).await
    }

    async fn rollups(
        &self,
        meter: &MeterId,
        level: Level,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Rollup>, StoreError> {
        let archive = self.connection().await?;
        self.heard(archive.rollups(meter, level, from, until).await).await
    }

    /// One that stays open for the next question.
    async fn connection(&self) -> Result<Archive, StoreError> {
        let mut connected = self.connected.lock().await;
        match &*connected {
            Some(archive) => Ok(archive.clone()),
            None => Ok(connected.insert(Archive::open(self.url.as_str()).await?).clone()),
        }
    }

    /// A connection that failed is given up, and the next question connects anew.
    async fn heard<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if !matches!(answer, Ok(_) | Err(StoreError::Value { .. })) {
            self.connected.lock().await.take();
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_looked_for_where_its_rows_are() {
        let at = Timestamp::from_ms;
        let spans = [(at(0), at(10)), (at(20), at(30))];
        for (time, place, until) in [
            (0, Place::Server, at(10)),
            (9, Place::Server, at(10)),
            (10, Place::File, at(20)),
            (25, Place::Server, at(30)),
            (30, Place::File, FOREVER),
        ] {
            assert_eq!(place_of(&spans, at(time)), (place, until), "{time}");
        }
        assert_eq!(place_of(&[], at(5)), (Place::File, FOREVER));
    }
}
