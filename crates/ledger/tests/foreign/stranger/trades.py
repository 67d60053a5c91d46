"""Trades (section 10): transfers, and offers that a buyer accepts."""

from . import acts
from .meters import MINUTE
from .records import ACCOUNT, MONTH, OFFER, SHEET, OpenOffer, replace
from .refusal import rule
from .state import TERM_MAX

OPEN_OFFERS_MAX = 32
OFFER_LIFE = 31 * 24 * 60 * MINUTE


def transfer(booking, act, signer, act_id):
    booking.need_role(signer, acts.OPERATOR, acts.MEMBER)
    check_parties(booking, signer, act.to)
    rule(act.energy > 0, "empty_transfer")
    booking.need_open(act.month)
    book_trade(booking, signer, act.to, act.energy, act.month, [1, *act_id])


def check_parties(booking, seller, buyer):
    to_operator = booking.has(buyer, acts.OPERATOR)
    rule(to_operator or booking.has(buyer, acts.MEMBER), "not_a_member")
    rule(buyer != seller and not (to_operator and booking.has(seller, acts.OPERATOR)), "empty_transfer")


def need_cover(booking, seller, energy, month):
    """What remains of a member covers energy and fee; the operator sells out of supply. Gives the fee."""
    if booking.has(seller, acts.OPERATOR):
        return 0
    remaining = booking.state.sheet(month, seller).terms.remaining()
    rule(remaining >= energy + booking.genesis.fee, "energy_used_up")
    return booking.genesis.fee


def book_trade(booking, seller, buyer, energy, month, entry):
    state = booking.state
    fee = need_cover(booking, seller, energy, month)
    if booking.has(seller, acts.OPERATOR):
        state.post(month, buyer, "gained", energy, with_supply=True)
        state.enter(month, buyer, entry)
        return
    to_operator = booking.has(buyer, acts.OPERATOR)
    if fee > 0:
        state.post(month, seller, "fee", fee)
    state.post(month, seller, "traded", energy, with_supply=to_operator)
    if not to_operator:
        state.post(month, buyer, "gained", energy)
        state.enter(month, buyer, entry)
    state.enter(month, seller, entry)


def amount_of(offer):
    """Half up to 1e-4 of the currency unit."""
    return (offer.energy * offer.price + 500_000) // 1_000_000


def offer(booking, act, signer, act_id):
    state = booking.state
    booking.need_role(signer, acts.OPERATOR, acts.MEMBER)
    if act.to is not None:
        check_parties(booking, signer, act.to)
    rule(act.energy > 0, "empty_transfer")
    rule(act.price >= 0 and amount_of(act) < 2**63, "offer_price")
    booking.need_open(act.month)
    latest = min(booking.genesis.close_time(act.month), booking.time + OFFER_LIFE)
    rule(booking.time < act.until <= latest, "offer_span")
    need_cover(booking, signer, act.energy, act.month)
    seller = state.account(signer)
    rule(seller.offers < OPEN_OFFERS_MAX, "too_many_offers")
    state.put((ACCOUNT, signer), replace(seller, offers=seller.offers + 1))
    state.put((OFFER, (act.until, *act_id)), OpenOffer(signer, act))


def accept(booking, act, signer, act_id):
    state = booking.state
    booking.need_role(signer, acts.OPERATOR, acts.MEMBER)
    known = state.records.get((OFFER, act.offer))
    rule(known, "unknown_offer")
    seller, offered = known.seller, known.offer
    rule(offered.to in (None, signer), "not_offered_to")
    booking.need_role(seller, acts.OPERATOR, acts.MEMBER)
    rule(state.account(seller).revoked is None, "key_revoked")
    check_parties(booking, seller, signer)
    book_trade(booking, seller, signer, offered.energy, offered.month, [1, *act_id])
    book_money(booking, seller, signer, offered)
    end_offer(state, act.offer)


def book_money(booking, seller, buyer, offered):
    """Both sides; the operator's is the month's."""
    state, month, amount = booking.state, offered.month, amount_of(offered)
    for account, side, sign in ((seller, "sold", 1), (buyer, "bought", -1)):
        if booking.has(account, acts.OPERATOR):
            record = state.month(month)
            rule(-(2**63) <= record.money + sign * amount < 2**63, "amount_too_large")
            state.put((MONTH, month), replace(record, money=record.money + sign * amount))
            continue
        sheet = state.sheet(month, account)
        energy, money = getattr(sheet, side)
        energy, money = energy + offered.energy, money + amount
        rule(energy <= TERM_MAX and money < 2**63, "amount_too_large")
        state.put((SHEET, month, account), replace(sheet, **{side: (energy, money)}))


def withdraw(booking, act, signer, act_id):
    known = booking.state.records.get((OFFER, act.offer))
    rule(known, "unknown_offer")
    rule(known.seller == signer, "not_the_seller")
    end_offer(booking.state, act.offer)


def end_offer(state, offer_id):
    seller = state.records[OFFER, offer_id].seller
    state.remove((OFFER, offer_id))
    record = state.account(seller)
    state.put((ACCOUNT, seller), replace(record, offers=record.offers - 1))


def drop_ended_offers(state, time):
    for key in [key for key in state.records if key[0] == OFFER and key[1][0] <= time]:
        end_offer(state, key[1])
