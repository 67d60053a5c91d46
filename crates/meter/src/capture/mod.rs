//! What goes over a line that others use: frames told apart, requests and answers matched, and a file that keeps them.
//!
//! Invariant: nothing that arrives is lost or believed. Each byte is part of exactly one [`Heard`], but for
//! those that only wake a DL/T 645 receiver; it is a frame only when
//! its check value says so. Who sent a frame is a guess from its form and from what was asked before, because a tap on a
//! line of two wires hears both sides alike.

mod describe;
mod file;
mod recorded;
mod tap;

pub use describe::describe;
pub use file::{CAPTURE_PIECES_MAX, Capture, CaptureError, Piece};
pub use recorded::{Pair, Recorded, pairs, readings};
pub use tap::{Heard, QUIET, Tap, What};
