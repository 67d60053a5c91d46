//! Blocks: a header of fixed width, a body of statements, and a seal that stands outside the hash.

use crate::cbor::{self, CborError};
use crate::difficulty::target;
use crate::jobs::{self, Jobs, OneByOne};
use crate::log::Log;
use crate::statement::{SignedStatement, StatementError, VerifiedStatement, thumbprint};
use crate::{Genesis, KeyError, PublicKey, act};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use units::{AccountId, BlockHash, Digest, Height, LedgerId, Timestamp};

/// The engine's 24 bytes at the header's end, for `pow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Engine {
    /// Expected number of attempts; a fixed level L is 16^L.
    pub difficulty: u64,
    /// Which of several searchers; 0 for one.
    pub extra_nonce: u64,
    /// Counted up from 0.
    pub nonce: u64,
}

/// A block's header, 212 bytes, all integers big endian. See `docs/protocol.md` for the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Protocol version; [`Genesis::VERSION`].
    pub version: u32,
    /// The ledger.
    pub ledger: LedgerId,
    /// The block's number.
    pub height: Height,
    /// When it was proposed; above its parent's.
    pub time: Timestamp,
    /// Hash of the block before; zeros in genesis.
    pub previous: BlockHash,
    /// Statements in the log after this block.
    pub log_size: u64,
    /// RFC 9162 root of the log after this block.
    pub log_root: Digest,
    /// Root of all state records after this block.
    pub state_root: Digest,
    /// Who proposed it; zeros in genesis.
    pub proposer: AccountId,
    /// The engine's.
    pub engine: Engine,
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = 212;
    /// Whole SHA-256 blocks before the bytes that a search changes.
    pub const MIDSTATE_BYTES: usize = 192;

    /// The bytes that are hashed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let mut rest = &mut bytes[..];
        let mut put = |field: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(field.len());
            head.copy_from_slice(field);
            rest = tail;
        };
        put(&self.version.to_be_bytes());
        put(self.ledger.as_bytes());
        put(&self.height.number().to_be_bytes());
        put(&self.time.ms().to_be_bytes());
        put(self.previous.as_bytes());
        put(&self.log_size.to_be_bytes());
        put(self.log_root.as_bytes());
        put(self.state_root.as_bytes());
        put(self.proposer.as_bytes());
        put(&self.engine.difficulty.to_be_bytes());
        put(&self.engine.extra_nonce.to_be_bytes());
        put(&self.engine.nonce.to_be_bytes());
        bytes
    }

    /// Reads a header; every 212 bytes are one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut rest = &bytes[..];
        Self {
            version: u32::from_be_bytes(take(&mut rest)),
            ledger: LedgerId::from_bytes(take(&mut rest)),
            height: Height::from_number(u64::from_be_bytes(take(&mut rest))),
            time: Timestamp::from_ms(u64::from_be_bytes(take(&mut rest))),
            previous: BlockHash::from_bytes(take(&mut rest)),
            log_size: u64::from_be_bytes(take(&mut rest)),
            log_root: Digest::from_bytes(take(&mut rest)),
            state_root: Digest::from_bytes(take(&mut rest)),
            proposer: AccountId::from_bytes(take(&mut rest)),
            engine: Engine {
                difficulty: u64::from_be_bytes(take(&mut rest)),
                extra_nonce: u64::from_be_bytes(take(&mut rest)),
                nonce: u64::from_be_bytes(take(&mut rest)),
            },
        }
    }

    /// The block's hash: SHA-256 of the header.
    #[must_use]
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_bytes(Sha256::digest(self.to_bytes()).into())
    }

    /// The genesis block's header, which is the same on every node (the paper's problem 7).
    #[must_use]
    pub fn genesis(genesis: &Genesis, state_root: Digest) -> Self {
        Self {
            version: Genesis::VERSION,
            ledger: genesis.ledger(),
            height: Height::GENESIS,
            time: genesis.created,
            previous: BlockHash::from_bytes([0; 32]),
            log_size: 0,
            log_root: Log::new().root(),
            state_root,
            proposer: AccountId::from_bytes([0; 32]),
            engine: Engine::default(),
        }
    }
}

/// Takes the next field; the caller's array is as long as all fields together.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut field = [0; N];
    let (head, tail) = rest.split_at(N);
    field.copy_from_slice(head);
    *rest = tail;
    field
}

/// A block as it travels and is stored: structure only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The statements' leaf forms, in order.
    pub statements: Vec<SignedStatement>,
    /// The proposer's signature over [`Block::sealed_bytes`].
    pub seal: [u8; 64],
}

#[derive(Encode, Decode)]
struct WireBlock {
    #[cbor(n(0), with = "minicbor::bytes")]
    header: Vec<u8>,
    #[n(1)]
    statements: Vec<minicbor::bytes::ByteVec>,
    #[cbor(n(2), with = "minicbor::bytes")]
    seal: Vec<u8>,
}

/// Why a block is refused before its statements are applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not of the wire form.
    #[error("not a block: {0}")]
    Form(#[from] CborError),
    /// Header or seal of another length.
    #[error("a block's header has {header} bytes and its seal 64", header = Header::BYTES)]
    FieldLength,
    /// Too many statements or bytes.
    #[error("a block has at most {statements} statements and {bytes} bytes", statements = Block::STATEMENTS_MAX, bytes = Block::BYTES_MAX)]
    TooLarge,
    /// A statement in it is malformed or wrongly signed.
    #[error("statement {index}: {error}")]
    Statement {
        /// Its place in the block.
        index: usize,
        /// What is wrong.
        error: StatementError,
    },
    /// Signed by an account whose key no earlier statement registers.
    #[error("statement {index}: signed by {signer}, whose key is not registered")]
    UnknownSigner {
        /// Its place in the block.
        index: usize,
        /// Who signed.
        signer: AccountId,
    },
    /// Of another protocol version.
    #[error("of protocol version {0}; this program knows {known}", known = Genesis::VERSION)]
    Version(u32),
    /// Of another ledger.
    #[error("a block of another ledger, {0}")]
    Ledger(LedgerId),
    /// Does not follow the parent.
    #[error("height {height} does not follow {parent}")]
    Height {
        /// Its height.
        height: Height,
        /// The parent's.
        parent: Height,
    },
    /// Names another parent.
    #[error("its previous hash is not the parent's")]
    Previous,
    /// Too early after the parent.
    #[error("its time {time} ms is less than {distance_ms} ms after its parent's", time = time.ms())]
    Time {
        /// Its time.
        time: Timestamp,
        /// The least distance.
        distance_ms: u64,
    },
    /// The difficulty is not the one in force.
    #[error("difficulty {found}; {expected} is in force")]
    Difficulty {
        /// As in the header.
        found: u64,
        /// As the rules say.
        expected: u64,
    },
    /// The hash does not satisfy the difficulty.
    #[error("the hash {0} does not satisfy the difficulty")]
    Work(BlockHash),
    /// Log size or root is not that of the statements.
    #[error("log size or root does not fit the statements")]
    LogRoot,
    /// The proposer has no registered key.
    #[error("proposed by {0}, who is no registered miner")]
    Proposer(AccountId),
    /// The seal is not the proposer's signature.
    #[error("seal: {0}")]
    Seal(KeyError),
}

/// What a check of a block takes from whoever runs it: threads, and verdicts that it remembers.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Who runs the signature checks.
    pub jobs: &'a dyn Jobs,
    /// Whether a statement, bit for bit (see [`SignedStatement::leaf_hash`]), is known to be signed with the key of that
    /// thumbprint, so that its signature need not be checked again.
    pub is_verified: &'a dyn Fn(&SignedStatement, &Digest) -> bool,
}

impl Means<'_> {
    /// One thread and no memory.
    pub const NONE: Self = Self { jobs: &OneByOne, is_verified: &|_, _| false };
}

impl Block {
    /// Statements in a block: bounds what a node holds while it checks one.
    pub const STATEMENTS_MAX: usize = 8_192;
    /// Bytes of a wire form before its header: the heads of an array and of a byte string (RFC 8949 3).
    pub const HEADER_OFFSET: usize = 3;
    /// Bytes of a block: what a slow line carries in a minute.
    pub const BYTES_MAX: usize = 8 << 20;

    /// The wire form: `[header, [statement, ...], seal]`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::encode(&WireBlock {
            header: self.header.to_bytes().to_vec(),
            statements: self.statements.iter().map(|statement| statement.leaf().to_vec().into()).collect(),
            seal: self.seal.to_vec(),
        })
    }

    /// Length of the wire form, without writing it.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let string = |length: usize| cbor_head(length) + length;
        let statements: usize = self.statements.iter().map(|statement| string(statement.leaf().len())).sum();
        1 + string(Header::BYTES) + cbor_head(self.statements.len()) + statements + string(self.seal.len())
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// When it is malformed or beyond the bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        Self::from_bytes_by(bytes, &OneByOne)
    }

    /// Reads the wire form, its statements by several at once.
    ///
    /// # Errors
    /// When it is malformed or beyond the bounds.
    pub fn from_bytes_by(bytes: &[u8], jobs: &dyn Jobs) -> Result<Self, BlockError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        let wire: WireBlock = cbor::decode(bytes)?;
        if wire.statements.len() > Self::STATEMENTS_MAX {
            return Err(BlockError::TooLarge);
        }
        let header: [u8; Header::BYTES] = wire.header.try_into().map_err(|_| BlockError::FieldLength)?;
        let read = |index: usize| {
            let statement = SignedStatement::from_leaf(&wire.statements[index]);
            statement.map_err(|error| BlockError::Statement { index, error })
        };
        let statements = jobs::map(jobs, wire.statements.len(), &read);
        Ok(Self {
            header: Header::from_bytes(&header),
            statements: statements.into_iter().collect::<Result<_, _>>()?,
            seal: wire.seal.try_into().map_err(|_| BlockError::FieldLength)?,
        })
    }

    /// Header in a wire form that may be otherwise malformed: it always stands at the same place.
    #[must_use]
    pub fn header_of(bytes: &[u8]) -> Option<Header> {
        let header = bytes.get(Self::HEADER_OFFSET..)?.first_chunk()?;
        Some(Header::from_bytes(header))
    }

    /// What the seal signs: a fixed prefix, so that no seal is ever a signature over something else, and the hash.
    #[must_use]
    pub fn sealed_bytes(hash: &BlockHash) -> Vec<u8> {
        [b"wattproof block seal\0".as_slice(), hash.as_bytes()].concat()
    }

    /// Checks everything that needs no account: the header against its parent, the work, the seal, the log root and
    /// every signature. `difficulty` is the one in force after the parent ([`State::next_difficulty`]); `key_of` answers
    /// for accounts registered before this block.
    ///
    /// [`State::next_difficulty`]: crate::State::next_difficulty
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(
        self,
        genesis: &Genesis,
        parent: &Header,
        log: &Log,
        difficulty: u64,
        key_of: &dyn Fn(&AccountId) -> Option<PublicKey>,
    ) -> Result<CheckedBlock, BlockError> {
        self.check_by(genesis, parent, log, difficulty, key_of, Means::NONE)
    }

    /// As [`Block::check`], with means of one's own.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check_by(
        self,
        genesis: &Genesis,
        parent: &Header,
        log: &Log,
        difficulty: u64,
        key_of: &dyn Fn(&AccountId) -> Option<PublicKey>,
        means: Means<'_>,
    ) -> Result<CheckedBlock, BlockError> {
        // A block of one's own never was bytes, so its bounds are looked at here too.
        if self.statements.len() > Self::STATEMENTS_MAX || self.wire_bytes() > Self::BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        check_header(&self.header, genesis, parent, self.statements.is_empty())?;
        check_work(&self.header, difficulty)?;
        let proposer = key_of(&self.header.proposer).ok_or(BlockError::Proposer(self.header.proposer))?;
        let hash = self.header.hash();
        proposer.verify(&Self::sealed_bytes(&hash), &self.seal).map_err(BlockError::Seal)?;

        let leaves: Vec<Digest> = self.statements.iter().map(SignedStatement::leaf_hash).collect();
        if log.extended(&leaves) != (self.header.log_size, self.header.log_root) {
            return Err(BlockError::LogRoot);
        }
        let statements = verify_all(self.statements, key_of, means)?;
        Ok(CheckedBlock { header: self.header, hash, statements, leaves, seal: self.seal })
    }
}

/// Bytes of a CBOR head with an argument (RFC 8949 3); no length here needs more than 32 bits.
const fn cbor_head(argument: usize) -> usize {
    match argument {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

fn check_header(header: &Header, genesis: &Genesis, parent: &Header, empty: bool) -> Result<(), BlockError> {
    if header.version != Genesis::VERSION {
        return Err(BlockError::Version(header.version));
    }
    if header.ledger != parent.ledger {
        return Err(BlockError::Ledger(header.ledger));
    }
    if header.height != parent.height.next() {
        return Err(BlockError::Height { height: header.height, parent: parent.height });
    }
    if header.previous != parent.hash() {
        return Err(BlockError::Previous);
    }
    let order = &genesis.order;
    let least = order.block_interval_min;
    let distance = if empty { least.max(order.empty_block_after) } else { least };
    let distance_ms = distance.ms().max(1);
    if header.time <= parent.time || header.time.since(parent.time).ms() < distance_ms {
        return Err(BlockError::Time { time: header.time, distance_ms });
    }
    Ok(())
}

fn check_work(header: &Header, expected: u64) -> Result<(), BlockError> {
    if header.engine.difficulty != expected {
        return Err(BlockError::Difficulty { found: header.engine.difficulty, expected });
    }
    let hash = header.hash();
    if *hash.as_bytes() > target(expected) {
        return Err(BlockError::Work(hash));
    }
    Ok(())
}

/// The keys of a block's signers: for each statement which one is its signer's when its turn comes.
struct SignerKeys {
    /// With their thumbprints.
    keys: Vec<(PublicKey, Digest)>,
    of_statement: Vec<Option<usize>>,
}

impl SignerKeys {
    /// A key registered in one statement, or rotated to, signs from the next on. What the statements say is not yet verified; if one
    /// before is forged, the block is refused whatever its key does here.
    fn of(statements: &[SignedStatement], key_of: &dyn Fn(&AccountId) -> Option<PublicKey>) -> Self {
        let mut keys = Vec::new();
        let mut present: BTreeMap<AccountId, Option<usize>> = BTreeMap::new();
        let mut of_statement = Vec::with_capacity(statements.len());
        let mut add = |key: PublicKey| {
            let thumbprint = thumbprint(&key);
            keys.push((key, thumbprint));
            keys.len() - 1
        };
        for statement in statements {
            let signer = statement.signer();
            of_statement.push(*present.entry(signer).or_insert_with(|| key_of(&signer).map(&mut add)));
            for act in &statement.payload().acts {
                match act {
                    act::Act::Register(act::Register::Key(register)) => {
                        let account = register.key.account();
                        let known = present.entry(account).or_insert_with(|| key_of(&account).map(&mut add));
                        // Whoever has a key already keeps it; registering another role is no change of key.
                        if known.is_none() {
                            *known = Some(add(register.key.clone()));
                        }
                    }
                    act::Act::Rotate(rotate) => drop(present.insert(signer, Some(add(rotate.key.clone())))),
                    _ => {}
                }
            }
        }
        Self { keys, of_statement }
    }

    fn of_statement(&self, index: usize) -> Option<&(PublicKey, Digest)> {
        self.keys.get((*self.of_statement.get(index)?)?)
    }
}

/// Verifies the statements; the first that is wrong, in their order, is the error.
fn verify_all(
    statements: Vec<SignedStatement>,
    key_of: &dyn Fn(&AccountId) -> Option<PublicKey>,
    means: Means<'_>,
) -> Result<Vec<VerifiedStatement>, BlockError> {
    let keys = SignerKeys::of(&statements, key_of);
    let is_remembered = |index: &usize| {
        keys.of_statement(*index).is_some_and(|(_, thumbprint)| (means.is_verified)(&statements[*index], thumbprint))
    };
    let unknown: Vec<usize> = (0..statements.len()).filter(|index| !is_remembered(index)).collect();
    let check = |position: usize| {
        let index = unknown[position];
        let statement = &statements[index];
        let unknown_signer = BlockError::UnknownSigner { index, signer: statement.signer() };
        let (key, _) = keys.of_statement(index).ok_or(unknown_signer)?;
        statement.check_signature(key).map_err(|error| BlockError::Statement { index, error })
    };
    jobs::map(means.jobs, unknown.len(), &check).into_iter().collect::<Result<(), _>>()?;
    let verified = statements.into_iter().zip(0..).filter_map(|(statement, index)| {
        // Every statement has a key here: those without one were refused above.
        let (_, thumbprint) = keys.of_statement(index)?;
        Some(statement.verified_with(*thumbprint))
    });
    Ok(verified.collect())
}

/// A block whose header, work, seal, log root and signatures are right. Only such are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBlock {
    header: Header,
    hash: BlockHash,
    statements: Vec<VerifiedStatement>,
    leaves: Vec<Digest>,
    seal: [u8; 64],
}

impl CheckedBlock {
    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }
    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }
    /// The statements in order.
    #[must_use]
    pub fn statements(&self) -> &[VerifiedStatement] {
        &self.statements
    }
    /// Their leaf hashes, for the log.
    #[must_use]
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }
    /// The block as it travels.
    #[must_use]
    pub fn to_block(&self) -> Block {
        let statements = self.statements.iter().map(|statement| statement.signed().clone()).collect();
        Block { header: self.header.clone(), statements, seal: self.seal }
    }
}
