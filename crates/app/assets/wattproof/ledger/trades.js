// Trades (docs/protocol.md section 10): transfers, and offers that a buyer accepts.
import { rule } from "../refusal.js";
import { most } from "../bytes.js";
import { MEMBER, OPERATOR } from "../acts.js";
import { TERM_MAX } from "../meters.js";
import { KIND, remaining } from "../records.js";

const OPEN_OFFERS_MAX = 32;
const OFFER_LIFE = 31n * 24n * 60n * 60_000n;
const KWH = 1_000_000n;
const isMoney = (amount) => BigInt.asIntN(64, amount) === amount;

export function transfer(booking, act, signer, actId) {
  booking.needRole(signer, OPERATOR, MEMBER);
  checkParties(booking, signer, act.to);
  rule(act.energy > 0n, "empty_transfer");
  booking.needOpen(act.month);
  bookTrade(booking, signer, act.to, act.energy, act.month, { kind: "act", ...actId });
}

function checkParties(booking, seller, buyer) {
  const toOperator = booking.has(buyer, OPERATOR);
  rule(toOperator || booking.has(buyer, MEMBER), "not_a_member");
  rule(buyer !== seller && !(toOperator && booking.has(seller, OPERATOR)), "empty_transfer");
}

/** What remains of a member covers energy and fee; the operator sells out of supply. */
function needCover(booking, seller, energy, month) {
  if (booking.has(seller, OPERATOR)) return;
  const left = remaining(booking.state.sheet(month, seller).terms);
  rule(left >= energy + booking.genesis.fee, "energy_used_up");
}

function bookTrade(booking, seller, buyer, energy, month, entry) {
  const { state } = booking;
  needCover(booking, seller, energy, month);
  if (booking.has(seller, OPERATOR)) {
    state.post(month, buyer, "gained", energy, true);
    state.enter(month, buyer, entry);
    return;
  }
  const toOperator = booking.has(buyer, OPERATOR);
  if (booking.genesis.fee > 0n) state.post(month, seller, "fee", booking.genesis.fee);
  state.post(month, seller, "traded", energy, toOperator);
  if (!toOperator) {
    state.post(month, buyer, "gained", energy);
    state.enter(month, buyer, entry);
  }
  state.enter(month, seller, entry);
}

/** Half up to 1e-4 of the currency unit. */
const amountOf = (offer) => (offer.energy * offer.price + KWH / 2n) / KWH;

export function offer(booking, act, signer, actId) {
  const { state, genesis, time } = booking;
  booking.needRole(signer, OPERATOR, MEMBER);
  if (act.to !== null) checkParties(booking, signer, act.to);
  rule(act.energy > 0n, "empty_transfer");
  rule(act.price >= 0n && isMoney(amountOf(act)), "offer_price");
  booking.needOpen(act.month);
  const isTimely = time < act.until && act.until <= genesis.closeTime(act.month) && act.until <= time + OFFER_LIFE;
  rule(isTimely, "offer_span");
  needCover(booking, signer, act.energy, act.month);
  const seller = state.account(signer);
  rule(seller.offers < OPEN_OFFERS_MAX, "too_many_offers");
  state.put(KIND.account, [signer], { ...seller, offers: seller.offers + 1 });
  state.put(KIND.offer, [{ until: act.until, ...actId }], { seller: signer, offer: act });
}

export function accept(booking, act, signer, actId) {
  const { state } = booking;
  booking.needRole(signer, OPERATOR, MEMBER);
  const known = state.get(KIND.offer, act.offer);
  rule(known !== null, "unknown_offer");
  const { seller, offer: offered } = known;
  rule(offered.to === null || offered.to === signer, "not_offered_to");
  booking.needRole(seller, OPERATOR, MEMBER);
  rule(state.account(seller).revoked === null, "key_revoked");
  checkParties(booking, seller, signer);
  bookTrade(booking, seller, signer, offered.energy, offered.month, { kind: "act", ...actId });
  bookMoney(booking, seller, signer, offered);
  endOffer(state, act.offer);
}

/** Both sides; the operator's is the month's. */
function bookMoney(booking, seller, buyer, offered) {
  const { state } = booking;
  const amount = amountOf(offered);
  for (const [account, side, sign] of [[seller, "sold", 1n], [buyer, "bought", -1n]]) {
    if (booking.has(account, OPERATOR)) {
      const record = state.month(offered.month);
      const money = record.money + sign * amount;
      rule(isMoney(money), "amount_too_large");
      state.put(KIND.month, [offered.month], { ...record, money });
      continue;
    }
    const sheet = state.sheet(offered.month, account);
    const moved = { energy: sheet[side].energy + offered.energy, amount: sheet[side].amount + amount };
    rule(moved.energy <= TERM_MAX && isMoney(most(moved.amount, 0n)), "amount_too_large");
    state.put(KIND.sheet, [offered.month, account], { ...sheet, [side]: moved });
  }
}

export function withdraw(booking, act, signer) {
  const known = booking.state.get(KIND.offer, act.offer);
  rule(known !== null, "unknown_offer");
  rule(known.seller === signer, "not_the_seller");
  endOffer(booking.state, act.offer);
}

function endOffer(state, id) {
  const { seller } = state.get(KIND.offer, id);
  state.remove(KIND.offer, [id]);
  const record = state.account(seller);
  state.put(KIND.account, [seller], { ...record, offers: record.offers - 1 });
}

/** At the start of a block: offers whose time is over. */
export function dropEndedOffers(state, time) {
  const ended = state.all(KIND.offer).filter(({ record }) => record.offer.until <= time);
  for (const { parts } of ended) endOffer(state, parts[0]);
}
