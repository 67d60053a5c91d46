"""Bill bundles (section 14): a bill with everything that its check needs, layer by layer."""

from dataclasses import replace

from . import acts, bills, cbor, frames, meters, trades
from .hours import Divided, divided
from .log import leaf_hash, root_from_path
from .proven import Proven, rising
from .records import ACCOUNT, BINDING, MONTH, SHEET, TARIFF, UTILITY, Sheet, Terms
from .refusal import at, need
from .state import touching

MAGIC = "wattproof bill bundle 1"


def is_bundle(data):
    return data.startswith(b"\x82" + cbor.encode(MAGIC))


def verify(data):
    """Every layer in turn; says what was found."""
    bundle = Bundle(data)
    for layer in (
        "finality",
        "inclusion",
        "signatures",
        "entries",
        "completeness",
        "meters",
        "frames",
        "arithmetic",
        "tariffs",
    ):
        with at(layer):
            getattr(bundle, "check_" + layer)()
    total = bundle.bill.body[6]
    counts = f"{len(bundle.statements)} statements, {bundle.counters_read} counters read from frames"
    return f"a bill of {total} (1e-4), {counts}"


class Bundle(Proven):
    """Its structure; the checks of the layers stand on each other in order."""

    def __init__(self, data):
        magic, body = cbor.items(cbor.decode(data), 2)
        need(magic == MAGIC, "no bill bundle")
        parts = cbor.fields(body, range(1, 10))
        super().__init__(parts[1], parts[2], parts[3], parts[5], parts[6])
        self.months = dict(months := cbor.listed(parts[7], read_month_entries))
        self.frames = cbor.listed(parts[8], read_frame)
        rising([month for month, _ in months], "months")
        self._find_bill(cbor.digest(parts[4]), cbor.uint(parts[9], 32))

    def _find_bill(self, statement, index):
        self.billing, billing = statement, self.statement(statement)
        need(index < len(billing.acts) and isinstance(billing.acts[index], acts.Bill), "no bill at that place")
        self.bill = billing.acts[index]
        self.account = self.bill.account
        need(list(self.months) == self.bill.months, "the lists of entries are not those of the bill's months")

    # What is looked up.

    def sheet(self, month):
        return self.record(SHEET, month, self.account)

    # Layers.

    def check_entries(self):
        """The sheets' hash chains prove that the lists are complete."""
        for month, entries in self.months.items():
            sheet, listed = self.sheet(month), Sheet()
            for entry in entries:
                listed = listed.entered(entry)
            counted = (listed.entries, listed.entries_digest)
            need(counted == (sheet.entries, sheet.entries_digest), f"month {month}: a list that is not complete")

    def check_completeness(self):
        """No record or statement is missing, and none is there that nothing here names."""
        records, statements = set(), {self.billing}
        tariffs, spans = set(), [(self.bill.start, self.bill.until)]
        for month, entries in self.months.items():
            records |= {(SHEET, month, self.account), (MONTH, month)}
            if self.is_closed(month):
                tariffs.add(self.record(MONTH, month).tariff)
            else:
                # Only who has left is billed for an open month.
                in_force = self.tariff(month)
                need(in_force is not None, f"the tariff of month {month} is missing")
                records.add((ACCOUNT, self.account))
                tariffs.add(in_force.tariff.since)
            for correction in self.sheet(month).corrections:
                tariffs.add(correction.tariff)
                spans.append(self.genesis.span(correction.month))
            listed = dict.fromkeys(entry[1] for entry in entries if entry[0] == 1)
            statements |= set(listed)
            stated = [act for statement in listed for act in self.statement(statement).acts]
            statements |= {act.offer[1] for act in stated if isinstance(act, acts.Accept)}
            chains = {}
            for act in stated:
                if isinstance(act, acts.Readings):
                    chains.setdefault(act.binding, act)
            records |= {(BINDING, binding) for binding in chains}
            statements |= {act.previous for act in chains.values() if act.number > 0 and act.broken is None}
        records |= {(TARIFF, since) for since in tariffs}
        records |= {(UTILITY, one.utility.start) for span in spans for one in touching(self.state, *span)}
        statements |= {self.record(*key).statement for key in records if key[0] in (TARIFF, UTILITY)}
        self.check_nothing_idle(records, statements)

    def acts_of(self, month):
        """(signer, statement, act, number of entries) in the order of the list."""
        counts = {}
        for entry in self.months[month]:
            counts[tuple(entry)] = counts.get(tuple(entry), 0) + 1
        for (kind, *place), count in counts.items():
            if kind == 1:
                statement = self.statement(place[0])
                need(place[1] < len(statement.acts), "an act that the statement lacks")
                yield statement.signer, statement.id, statement.acts[place[1]], count

    def check_meters(self):
        for month in self.months:
            chains = {}
            for signer, statement, act, count in self.acts_of(month):
                if isinstance(act, acts.Readings):
                    chains.setdefault(act.binding, []).append((signer, statement, act, count))
            known = {meter.binding for meter in self.sheet(month).meters}
            need(known == set(chains), f"month {month}: intervals and counters are not of the same meters")
            booked = []
            for binding, chain in chains.items():
                with at(f"month {month}, meter {self.record(BINDING, binding).meter}"):
                    booked += self.check_chain(month, binding, chain)
            with at(f"month {month}"):
                self.check_division(month, booked)

    def check_division(self, month, booked):
        """What the parts add up to by month, and by band where every part is known."""
        sheet = self.sheet(month)
        late = {correction.month: Divided() for correction in sheet.corrections}
        regular = Divided()
        for part, factor in booked:
            of = self.genesis.month_of(part.start)
            if of != month and of in late:
                late[of] = late[of].plus(self.divided(of, part, factor))
            else:
                regular = regular.plus(self.divided(month, part, factor))
        stated = {correction.month: correction.late for correction in sheet.corrections}
        need(regular.energy == sheet.regular.energy, "the intervals give another use than the sheet's")
        if all(not part.is_unknown for part, _ in booked):
            need(regular == sheet.regular, "the intervals give other bands than the sheet's")
            need(late == stated, "the intervals give other corrections than the sheet's")

    def divided(self, month, part, factor):
        """Under the tariff that the month was frozen with; of a corrected month, the correction names it."""
        community = self.known_month(month)
        corrections = [correction for sheet in self.sheets() for correction in sheet.corrections]
        names = [correction.tariff for correction in corrections if correction.month == month]
        since = community.tariff if community else next(iter(names), None)
        record = since and self.tariff_from(since)
        return divided(self.genesis, record and record.tariff, month, part, factor)

    def sheets(self):
        return [self.sheet(month) for month in self.months]

    def check_chain(self, month, binding_id, chain):
        """The intervals follow each other, and give the sheet's stretches. Gives parts and factor."""
        binding, before = self.record(BINDING, binding_id), None
        need(binding.member == self.account, "the meter is another member's")
        stated = [meter for meter in self.sheet(month).meters if meter.binding == binding_id]
        built, parts = (), []
        for signer, statement, act, count in chain:
            expected = self.genesis.operator.account if act.is_operators else binding.signer
            need(signer == expected, "an interval that the meter's signer did not sign")
            if before:
                follows = (act.number, act.previous) == (before[0].number + 1, before[1])
                need(follows, f"number {act.number} does not follow")
            for part in self.parts_in(month, act, before and before[0], count, stated):
                for piece in part.folded():
                    built = meters.with_part(built, binding_id, binding, piece)
                parts.append((part, binding.factor))
            before = act, statement
        need(list(built) == stated, "the intervals give other counters than the sheet's")
        return parts

    def parts_in(self, month, act, before, count, stated):
        """The last `count` parts of an interval up to the month: parts of closed months are booked here too."""
        if before is None and act.broken == acts.GAP:
            return [self.part_after_unknown(month, act, stated[0])]
        if before is None and act.broken == acts.WRAP:
            return [self.part_of_unknown_wrap(month, act, stated)]
        if before is None:
            stretch = meters.Stretch(act.start, act.end, act.imported, act.exported, act.estimated)
        else:
            exported = before.exported and before.exported.end
            head = meters.Head(act.number, act.previous, before.end, before.imported.end, exported)
            stretch = meters.continued(act, head)
        estimated = act.estimated and meters.shows(self.genesis, self.record(BINDING, act.binding), act.end)
        stretch = replace(stretch, estimated=estimated)
        parts, end = [], self.genesis.span(month)[1]
        while stretch.start < min(stretch.end, end):
            cut = self.genesis.span(self.genesis.month_of(stretch.start))[1]
            rest = replace(stretch, start=stretch.end)
            part, stretch = stretch.cut(cut) if cut < stretch.end else (stretch, rest)
            parts.append(part)
        need(count <= len(parts), "more entries than parts")
        return parts[-count:]

    def part_after_unknown(self, month, act, stated):
        """A gap whose beginning is not in the bundle: the sheet's own counters within the bounds that are known."""
        need(stated.imported.start <= act.imported.start, "a gap that begins above its own interval")
        whole = act.end <= self.genesis.span(month)[1]
        imported = acts.Counters(stated.imported.start, act.imported.end if whole else stated.imported.end)
        exported = act.exported and stated.exported
        if exported:
            exported = acts.Counters(exported.start, act.exported.end if whole else exported.end)
        start = max(act.start, self.genesis.span(month)[0])
        return meters.Stretch(start, act.end, imported, exported, stated.estimated, is_unknown=True)

    def part_of_unknown_wrap(self, month, act, stated):
        """The same where a counter began at zero again, here or in an earlier month."""
        whole = act.end <= self.genesis.span(month)[1]

        def way(pair, pairs):
            if pair is None:
                return None
            start, end, behind_zero = pairs[0].start, pair.end, act.wraps_at
            if not whole:
                end = pairs[-1].end
                behind_zero = act.wraps_at if len(pairs) > 1 and pairs[0].end == act.wraps_at else 0
            elif start <= end:
                behind_zero = 0
            need(start < act.wraps_at, "a counter above where it begins at zero again")
            need(0 <= end + behind_zero - start <= act.wraps_at // 2, "a wrap of more than half the way round")
            return acts.Counters(start, end + behind_zero)

        imported = way(act.imported, [meter.imported for meter in stated])
        exported = way(act.exported, [meter.exported for meter in stated])
        start, estimated = max(act.start, self.genesis.span(month)[0]), stated[0].estimated
        return meters.Stretch(start, act.end, imported, exported, estimated, act.wraps_at, is_unknown=True)

    def check_frames(self):
        """The frames stand in the tree that the interval commits to, and say its counters."""
        self.counters_read = 0
        for statement, is_last, salt, frame, path in self.frames:
            readings = next((act for act in self.statement(statement).acts if isinstance(act, acts.Readings)), None)
            need(readings, "a frame of a statement without readings")
            index = readings.count - 1 if is_last else 0
            need(readings.count > 0, "a frame of an interval without readings")
            root = root_from_path(leaf_hash(salt + cbor.encode(frame)), index, readings.count, path)
            need(root == readings.frames, "a frame that was not signed")
            said = frames.counter(self.record(BINDING, readings.binding).profile, frame)
            stated = readings.imported.end if is_last else readings.imported.start
            need(said in (None, stated), f"a frame says {said} mWh, its statement {stated} mWh")
            self.counters_read += said is not None

    def check_arithmetic(self):
        for month in self.months:
            terms, sheet = self.terms_of(month), self.sheet(month)
            need(terms == sheet.terms, f"month {month}: the acts give {terms}, the sheet says {sheet.terms}")
            self.check_priced(month)
        computed = bills.compute(self, self.account, self.bill.start, self.bill.until)
        need(cbor.encode(computed) == cbor.encode(self.bill.body), f"computed again the total is {computed[6]}")

    # What a bill is computed from (bills.py).

    def is_closed(self, month):
        return self.record(MONTH, month).closed

    @property
    def head(self):
        return self.header

    def account_of(self, account):
        return self.state.get((ACCOUNT, account))

    def tariff(self, month):
        """In force in an open month; that no later one is, the ledger saw to when it accepted the bill, which names it."""
        begun = [key[1] for key in self.state if key[0] == TARIFF and key[1] <= month]
        return self.state[TARIFF, max(begun)] if begun else None

    def known_sheet(self, month, account):
        return self.state.get((SHEET, month, account))

    def known_month(self, month):
        return self.state.get((MONTH, month))

    def tariff_from(self, month):
        return self.state.get((TARIFF, month))

    def binding(self, binding):
        return self.record(BINDING, binding)

    def utilities(self, start, until):
        return touching(self.state, start, until)

    def terms_of(self, month):
        """From the acts. Rewards and what was carried over depend on others; the state root vouches for them."""
        sheet, terms = self.sheet(month), Terms()
        for signer, _, act, _ in self.acts_of(month):
            if isinstance(act, acts.Contract):
                terms = replace(terms, contract=act.energy)
            elif isinstance(act, (acts.Transfer, acts.Accept)):
                seller, energy = self.seller_of(signer, act)
                if seller == self.account:
                    terms = terms.plus("traded", energy).plus("fee", self.genesis.fee)
                else:
                    terms = terms.plus("gained", energy)
        for meter in sheet.meters:
            terms = terms.plus("consumed", meters.moved(meter.imported, meter.factor))
            terms = terms.plus("generated", meters.moved(meter.exported, meter.factor))
        kinds = {entry[0] for entry in self.months[month]}
        reward, carried = (sheet.terms.reward if 2 in kinds else 0), (sheet.terms.carried if 3 in kinds else 0)
        return replace(terms, reward=reward, carried=carried)

    def seller_of(self, signer, act):
        """Of a transfer or an accepted offer: who sold, and how much."""
        if isinstance(act, acts.Transfer):
            return signer, act.energy
        offer, seller = self.offer(act)
        return seller, offer.energy

    def offer(self, accept):
        """The offer that was accepted, and its seller."""
        _, statement, index = accept.offer
        offering = self.statement(statement)
        need(index < len(offering.acts) and isinstance(offering.acts[index], acts.Offer), "no offer at that place")
        return offering.acts[index], offering.signer

    def check_priced(self, month):
        """What was bought and sold at a price, from the accepted offers."""
        sides = {"bought": [0, 0], "sold": [0, 0]}
        for signer, _, act, _ in self.acts_of(month):
            if isinstance(act, acts.Accept):
                offer, seller = self.offer(act)
                need(self.account in (seller, signer), "a trade of others")
                side = sides["sold" if seller == self.account else "bought"]
                side[0] += offer.energy
                side[1] += trades.amount_of(offer)
        sheet = self.sheet(month)
        stated = {"bought": list(sheet.bought), "sold": list(sheet.sold)}
        need(sides == stated, f"month {month}: the accepted offers give other sums than the sheet")

    def check_tariffs(self):
        """Tariffs and the utility's bills are those of their statements."""
        for (kind, *_), record in self.state.items():
            if kind == TARIFF:
                need(record.tariff in self.statement(record.statement).acts, "a tariff that its statement lacks")
            if kind == UTILITY:
                need(
                    record.utility in self.statement(record.statement).acts,
                    "a bill of the utility that its statement lacks",
                )


def read_month_entries(value):
    month, entries = cbor.items(value, 2)
    return cbor.uint(month, 32), cbor.listed(entries, read_entry)


def read_entry(value):
    readers = {1: (cbor.digest, cbor.uint), 2: (cbor.uint,), 3: (lambda month: cbor.uint(month, 32),)}
    kind = cbor.one_of(cbor.listed(value, lambda item: item, 1)[0], readers)
    for reader, part in zip(readers[kind], cbor.items(value, 1 + len(readers[kind]))[1:]):
        reader(part)
    return value


def read_frame(value):
    statement, is_last, salt, proof = cbor.items(value, 4)
    frame, path = frames.read_proof(proof)
    return cbor.digest(statement), cbor.boolean(is_last), cbor.octets(salt, 32), frame, path
