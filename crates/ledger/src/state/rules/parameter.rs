//! What the operator changes while the ledger runs: always from a height or a time that lies ahead.

use crate::RuleViolation;
use crate::act::{NewLevel, NewLimits, Upgrade};
use crate::state::draft::Draft;
use crate::state::{ParametersRecord, Record, RecordKey};
use units::Height;

impl Draft<'_> {
    pub(super) fn level(&mut self, new: &NewLevel) -> Result<(), RuleViolation> {
        if self.state.genesis.order.block_time.is_some() {
            return Err(RuleViolation::LevelByTime);
        }
        if !(1..=5).contains(&new.level) {
            return Err(RuleViolation::LevelRange(new.level));
        }
        if new.height <= self.height {
            return Err(RuleViolation::NotAhead);
        }
        let parameters = self.state.parameters();
        let level = parameters.level_at(self.height);
        self.put_parameters(ParametersRecord { level, next_level: Some(new.clone()), ..parameters });
        Ok(())
    }

    pub(super) fn limits(&mut self, new: &NewLimits) -> Result<(), RuleViolation> {
        if !new.limits.is_ordered() {
            return Err(RuleViolation::LimitsOrder);
        }
        if new.from <= self.time {
            return Err(RuleViolation::NotAhead);
        }
        let parameters = self.state.parameters();
        let limits = parameters.limits_at(self.time).clone();
        self.put_parameters(ParametersRecord { limits, next_limits: Some(new.clone()), ..parameters });
        Ok(())
    }

    pub(super) fn upgrade(&mut self, upgrade: &Upgrade) -> Result<(), RuleViolation> {
        let parameters = self.state.parameters();
        let announced = parameters.version_at(Height::from_number(u64::MAX));
        if upgrade.version <= announced {
            return Err(RuleViolation::VersionNotAbove(announced));
        }
        let earliest = self.height.number().saturating_add(Upgrade::NOTICE_BLOCKS);
        if upgrade.height.number() < earliest {
            return Err(RuleViolation::NoticeTooShort { earliest: Height::from_number(earliest) });
        }
        self.put_parameters(ParametersRecord { upgrade: Some(upgrade.clone()), ..parameters });
        Ok(())
    }

    fn put_parameters(&mut self, parameters: ParametersRecord) {
        self.put(RecordKey::Parameters, Record::Parameters(parameters));
    }
}
