//! Order by proof of work: the search for a nonce. Pure: who searches, on how many cores and until when, is the caller's.

pub mod pow;
