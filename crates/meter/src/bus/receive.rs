//! The receive buffer: bounded, and asked after every piece whether the answer is in it.

use super::Framing;
use crate::modbus::{self, FRAME_BYTES_MAX, FrameError, seal, tcp_split};
use crate::{Exchange, MeterError, Request};

/// What has arrived since the request went out (RTU), or what of the stream is not yet a whole frame (TCP).
#[derive(Debug)]
pub(super) struct Receiver {
    framing: Framing,
    buffer: Vec<u8>,
    /// The TCP transaction under way.
    transaction: u16,
    /// Over TCP: the last whole frame that was not taken, and why.
    refused: Option<(FrameError, Vec<u8>)>,
}

impl Receiver {
    /// Bytes are taken in pieces of this size, so that a flood never grows the buffer.
    pub(super) const CHUNK_BYTES: usize = FRAME_BYTES_MAX;
    /// One frame and as much noise before it; the oldest bytes go first, since an answer is what comes last.
    const BUFFER_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, buffer: Vec::new(), transaction: 0, refused: None }
    }

    /// The bytes to send for a request; from now on an answer to it is looked for. `None` when the line cannot carry it.
    pub(super) fn begin(&mut self, request: &Request) -> Option<Vec<u8>> {
        self.refused = None;
        match self.framing {
            Framing::Rtu { .. } | Framing::Dlt645 { .. } => {
                self.buffer.clear();
                Some(request.serial())
            }
            Framing::Tcp => {
                // The buffer stays: half a late frame must still be stepped over to find the next header.
                self.transaction = self.transaction.wrapping_add(1);
                request.as_modbus().map(|request| request.tcp(self.transaction))
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
    }

    /// The bytes of a failed request, for the record.
    pub(super) fn take_raw(&mut self) -> Vec<u8> {
        match self.framing {
            Framing::Rtu { .. } | Framing::Dlt645 { .. } => std::mem::take(&mut self.buffer),
            Framing::Tcp => self.refused.take().map(|(_, frame)| frame).unwrap_or_default(),
        }
    }

    /// Takes a piece; gives the exchange once the answer to `request` is complete, or the error that ends the wait.
    pub(super) fn take(&mut self, chunk: &[u8], request: Option<&Request>) -> Option<Result<Exchange, MeterError>> {
        match (self.framing, request) {
            (Framing::Rtu { .. } | Framing::Dlt645 { .. }, None) => None,
            (Framing::Rtu { .. } | Framing::Dlt645 { .. }, Some(request)) => self.take_serial(chunk, request),
            (Framing::Tcp, _) => self.take_tcp(chunk, request.and_then(Request::as_modbus)),
        }
    }

    fn take_serial(&mut self, chunk: &[u8], request: &Request) -> Option<Result<Exchange, MeterError>> {
        self.buffer.extend(chunk);
        let excess = self.buffer.len().saturating_sub(Self::BUFFER_BYTES_MAX);
        self.buffer.drain(..excess);
        let response = match request.find(&self.buffer) {
            Ok(frame) => frame?.to_vec(),
            Err(refusal) => return Some(Err(refusal)),
        };
        self.buffer.clear();
        Some(Ok(Exchange { request: request.frame(), response }))
    }

    /// Steps over whole frames; those of earlier transactions are dropped, whoever waits.
    fn take_tcp(&mut self, chunk: &[u8], request: Option<&modbus::Request>) -> Option<Result<Exchange, MeterError>> {
        self.buffer.extend(chunk);
        let mut answer = None;
        loop {
            let (frame, length) = match tcp_split(&self.buffer) {
                Ok(Some(found)) => found,
                Ok(None) => return answer,
                Err(error) => {
                    self.refused = Some((error.clone(), std::mem::take(&mut self.buffer)));
                    return answer.or_else(|| request.map(|_| Err(error.into())));
                }
            };
            if let (Some(request), None) = (request, &answer) {
                match request.parse_tcp(self.transaction, &frame) {
                    Ok(_) => answer = Some(Ok(rtu_exchange(request, frame.unit, frame.pdu))),
                    Err(error) => {
                        // An answer to an earlier request does not end the wait for this one's.
                        let late = matches!(error, FrameError::WrongTransaction { .. });
                        answer = (!late).then(|| Err(error.clone().into()));
                        self.refused = Some((error, self.buffer[..length].to_vec()));
                    }
                }
            }
            self.buffer.drain(..length);
        }
    }

    /// What came instead of an answer; `None` when nothing did.
    pub(super) fn diagnose(&self, request: &Request) -> Option<MeterError> {
        match self.framing {
            Framing::Rtu { .. } | Framing::Dlt645 { .. } if self.buffer.is_empty() => None,
            Framing::Rtu { .. } | Framing::Dlt645 { .. } => Some(request.diagnose(&self.buffer)),
            Framing::Tcp => self.refused.as_ref().map(|(error, _)| error.clone().into()),
        }
    }
}

/// A TCP exchange in RTU form: evidence has one form, see [`Exchange`].
fn rtu_exchange(request: &modbus::Request, unit: u8, pdu: &[u8]) -> Exchange {
    let response = std::iter::once(unit).chain(pdu.iter().copied()).collect();
    Exchange { request: request.rtu(), response: seal(response) }
}
