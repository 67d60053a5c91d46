// Why something is refused, and where.

/** What was read breaks the protocol. The message names the place, outermost first. */
export class Refused extends Error {}

/** Refuses unless the condition holds. */
export function need(condition, reason) {
  if (!condition) throw new Refused(reason);
}

/** A statement breaks a rule of docs/protocol.md section 12. */
export class RuleBroken extends Refused {
  constructor(name, why = "") {
    super(why ? `${name}: ${why}` : name);
    this.rule = name;
  }
}

/** The rule holds, or the statement is refused under its name. */
export function rule(condition, name, why = "") {
  if (!condition) throw new RuleBroken(name, why);
}
