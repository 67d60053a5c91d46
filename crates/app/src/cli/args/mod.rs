//! Flags by family of commands. What a command does with them is in the module of its name.

mod asking;
mod files;
mod keys;
mod readings;

pub(super) use asking::{AccountArgs, BillArgs, BlockArgs, ClaimsArgs, ListArgs, StatementArgs, StatusArgs};
pub(super) use files::{AuditArgs, ExportArgs, ExportCommand, VerifyArgs};
pub(super) use keys::{FormName, KeyCommand, KindName, NewKeyArgs, ShowKeyArgs};
pub(super) use readings::{EnterArgs, ImportCommand, ImportReadingsArgs, ImportRoomsArgs, ReadingCommand};
