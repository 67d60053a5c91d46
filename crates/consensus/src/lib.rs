//! Order by proof of work: the search for a nonce, and what nodes say to each other. Pure: who searches, on how many
//! cores and until when, and what carries messages, is the caller's.

pub mod peer;
pub mod pow;
