//! Order by proof of work: the search for a nonce, what nodes say to each other, and how one keeps up with the others.
//! Pure: who searches, on how many cores and until when, and what carries messages, is the caller's.

pub mod order;
pub mod peer;
pub mod pow;
pub mod sync;
