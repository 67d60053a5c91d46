//! Filters and pages over a real node's blocks.

use super::*;
use crate::web::tests::fixture::{CHEN_METER, Fixture};

fn wanted() -> Wanted {
    Wanted::default()
}

fn ids(node: &NodeHandle, wanted: &Wanted, rows_max: usize) -> (Vec<String>, Option<Cursor>) {
    let filter = Filter::of(wanted).unwrap();
    let gathered = gather(node, &Source::Here, &filter, rows_max).unwrap();
    (gathered.found.iter().map(|found| found.statement.id.to_string()).collect(), gathered.next)
}

#[test]
fn pages_of_any_length_hold_every_statement_once_and_newest_first() {
    let fixture = Fixture::new(true);
    let (all, next) = ids(&fixture.node, &wanted(), usize::MAX);
    assert_eq!((all.len(), next), (11, None), "four of the founding, six intervals, a transfer");
    for rows_max in [1, 2, 3, 5, 11] {
        let (mut paged, mut before) = (Vec::new(), String::new());
        loop {
            let (page, next) = ids(&fixture.node, &Wanted { before, ..wanted() }, rows_max);
            assert!(page.len() <= rows_max);
            paged.extend(page);
            let Some(next) = next else { break };
            before = next.to_string();
        }
        assert_eq!(paged, all, "{rows_max} a page");
    }
}

#[test]
fn each_filter_leaves_what_it_names_and_blocks_bound_it() {
    let fixture = Fixture::new(true);
    let (chen, lee) = (fixture.chen().to_string(), fixture.lee().to_string());
    let head = fixture.node.status().unwrap().height.number();
    let founding = fixture.node.block("1").unwrap().statements.len();
    let text = |text: &str| Wanted { text: text.to_owned(), ..wanted() };
    for (what, wanted, count) in [
        ("a kind", Wanted { act: "readings".to_owned(), ..wanted() }, 6),
        ("an account and a kind", Wanted { account: lee.clone(), act: "transfer".to_owned(), ..wanted() }, 1),
        ("a meter's number", text(&CHEN_METER.to_lowercase()), 7),
        ("the beginning of an id", text(&fixture.transfer.to_string()[..16]), 1),
        ("an account", text(&chen), 4),
        ("the name of a field", text("import_start_mwh"), 0),
        ("nothing there", text("nobody wrote this"), 0),
        ("blocks up to", Wanted { until: "1".to_owned(), ..wanted() }, founding),
        ("blocks from", Wanted { from: "2".to_owned(), ..wanted() }, 11 - founding),
        ("no block", Wanted { from: (head + 1).to_string(), ..wanted() }, 0),
    ] {
        assert_eq!(ids(&fixture.node, &wanted, usize::MAX).0.len(), count, "{what}");
    }
}

#[test]
fn a_name_that_the_reader_is_shown_finds_that_account_s() {
    let fixture = Fixture::new(true);
    let filter = Filter::of(&Wanted { text: "LEE".to_owned(), ..wanted() }).unwrap();
    let name = |account: &AccountId| if *account == fixture.lee() { "Lee".to_owned() } else { "Chen".to_owned() };
    let filter = filter.with_names(&[fixture.lee(), fixture.chen()], name);
    let found = gather(&fixture.node, &Source::Here, &filter, usize::MAX).unwrap().found;
    assert!(found.iter().any(|found| found.statement.id == fixture.transfer));
    assert!(found.len() >= 3, "the key, the meter, the contract and the sale: {}", found.len());
}

#[test]
fn the_next_page_s_address_keeps_the_filters_whatever_was_typed() {
    let wanted = Wanted { text: "a&b=c 度".to_owned(), act: "note".to_owned(), ..wanted() };
    let next = Cursor { height: 7, index: Some(2) };
    assert_eq!(older(&wanted, next), "/results?act=note&text=a%26b%3Dc%20%E5%BA%A6&before=7.2");
}
