//! Planted bugs: each is found by the checker that is there for it.

use crate::replay;
use sim::{Sabotage, Violation, run_sabotaged};

/// The violation that a planted bug leads to, in the first of some seeds that meet it.
fn found(sabotage: Sabotage) -> Option<Violation> {
    let replay = replay();
    (0..40).find_map(|seed| run_sabotaged(seed, &replay, sabotage).err()).map(|failure| failure.violation)
}

macro_rules! planted {
    ($($name:ident: $sabotage:ident => $violation:pat,)*) => {$(
        #[test]
        fn $name() {
            let found = found(Sabotage::$sabotage);
            assert!(matches!(found, Some($violation)), "{found:?}");
        }
    )*};
}

planted! {
    a_node_that_acknowledges_before_it_syncs_is_found:
        AnswerBeforeSync => Violation::AcknowledgedLost(_) | Violation::FinalChanged { .. },
    a_gateway_that_forgets_a_stored_reading_is_found: ForgetReading => Violation::ReadingNotCommitted { .. },
    a_disk_that_loses_synced_blocks_is_found: LoseBlocks => Violation::WillNotStart(_),
    a_database_that_acknowledges_before_it_syncs_is_found: AcknowledgeUnsynced => Violation::StoredReadingLost { .. },
    a_database_that_leaves_half_a_transaction_is_found: TearTransaction => Violation::ReadingNotCommitted { .. },
    statements_that_never_arrive_are_found: SwallowDeliveries => Violation::NotHealed { .. },
    two_nodes_that_finalise_different_blocks_are_found: SecondLogKey => Violation::FinalForked { .. },
    a_node_that_says_too_early_that_a_statement_is_final_is_found: ReceiptTooEarly => Violation::FalseReceipt { .. },
    a_statement_that_is_booked_twice_is_found: BookAgain => Violation::BookedTwice(_),
    nodes_that_never_meet_again_are_found: StayCut => Violation::NotHealed { .. },
    a_node_that_drops_a_statement_and_tells_nobody_why_is_found: DropSilently => Violation::NotTold(_),
    a_database_that_alters_a_reading_is_found: AlterReading => Violation::ReadingInvented { .. },
    a_reading_that_is_committed_twice_is_found: RepeatReading => Violation::ReadingTwice { .. },
    a_book_that_has_less_than_the_meter_counted_is_found: Miscount => Violation::BookedOtherwise { .. },
    a_disk_that_loses_the_evidence_of_readings_is_found: LoseAttachments => Violation::AttachmentLost { .. },
    a_node_that_gives_up_readings_that_it_took_is_found: DropReadings => Violation::ReadingsDropped(_),
    a_month_that_does_not_balance_is_found: MisreadBudget => Violation::Unbalanced { .. },
    a_sale_of_what_is_not_there_is_found: MisreadContracts => Violation::SoldBeyond { .. },
    energy_that_is_sold_twice_is_found: ContractTenfold => Violation::SoldTwice(..),
    a_statement_that_must_never_be_booked_is_found: ContractBeyond => Violation::ForbiddenBooked(_),
    a_node_that_was_rolled_back_is_found: RollBack => Violation::FinalChanged { .. },
    an_honest_node_that_is_taken_for_a_liar_is_found: Impersonate => Violation::HonestBanned { .. },
    a_disk_that_gives_back_other_bytes_of_a_block_is_found: ReadOtherBytes => Violation::Replay(_),
}
