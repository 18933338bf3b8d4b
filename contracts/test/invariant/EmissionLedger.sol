// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ledger} from "./Ledger.sol";

/// @title The books of emissions: what each table, member and delegator has of the pool of a day.
abstract contract EmissionLedger is Ledger {
    /// @dev `given` is what left the pool for shares, what was above their caps included.
    struct Pool {
        uint256 amount;
        uint256 settledUnits;
        uint256 given;
    }

    struct Emission {
        bool isSettled;
        uint256 training;
        uint256 validators;
        uint256 cap;
        uint256 paid;
    }

    uint256 internal constant FIRST_DAY = uint256(1_700_000_000) / 1 days;

    mapping(uint256 day => Pool) internal pools;
    mapping(uint256 tableId => mapping(uint256 day => Emission)) internal emissionOf;
    mapping(uint256 tableId => mapping(uint256 day => mapping(address operator => bool))) internal isOperatorPaid;
    mapping(uint256 tableId => mapping(uint256 day => mapping(address operator => uint256))) internal delegationPaid;
    mapping(
        uint256 tableId => mapping(uint256 day => mapping(address operator => mapping(address delegator => bool)))
    ) internal isDelegatorPaid;
    uint256 internal lastPoolDay = FIRST_DAY;
    uint256 internal emissionsIn;
    uint256 internal emissionsOut;
    uint256 internal emissionsDonated;
    uint256 internal emissionFeesDue;
    uint256 internal emissionFeesPaid;

    function _addToPool(uint256 day, uint256 amount) internal {
        pools[day].amount += amount;
        isFunded[day] = true;
        if (day > lastPoolDay) lastPoolDay = day;
    }

    /// @dev Most emission for a unit of a day: the lowest claim fee of operators and delegators since the day began. The fee
    ///      before a change counts unless that was before the day.
    function _capPpm(uint256 day) internal view returns (uint256 lowest) {
        lowest = PPM;
        for (uint256 i; i < feeChanges.length; ++i) {
            if (i + 1 < feeChanges.length && feeChanges[i + 1].day < day) continue;
            if (feeChanges[i].ppm < lowest) lowest = feeChanges[i].ppm;
        }
    }

    /// @dev A share as it is, or would be settled now.
    function _shareNow(ShareId memory id) internal view returns (Emission memory e, uint256 given) {
        e = emissionOf[id.tableId][id.day];
        uint256 own = units[id.tableId][id.day];
        if (e.isSettled || own == 0) return (e, 0);
        Pool storage pool = pools[id.day];
        uint256 all = unitsOfDay[id.day];
        uint256 before = pool.settledUnits;
        given = pool.amount * (before + own) / all - pool.amount * before / all;
        e.cap = own * _capPpm(id.day) / PPM;
        uint256 emission = given < e.cap ? given : e.cap;
        e.training = _trainingPart(id, emission);
        e.validators = emission - e.training;
        e.isSettled = true;
    }

    /// @dev Each role has gamma of a share, the rest goes by stake when the day began.
    function _trainingPart(ShareId memory id, uint256 emission) private view returns (uint256) {
        Table storage table = tables[id.tableId];
        if (table.training.length == 0) return 0;
        if (table.validators.length == 0) return emission;
        uint256 training = _roleStake(table.training, id.day);
        uint256 all = training + _roleStake(table.validators, id.day);
        if (all == 0) return emission / 2;
        return emission * (GAMMA_PPM * all + (PPM - 2 * GAMMA_PPM) * training) / (PPM * all);
    }

    function _roleStake(Member[] storage members, uint256 day) private view returns (uint256 sum) {
        for (uint256 i; i < members.length; ++i) {
            StakeEntry memory entry = _stakeAt(members[i].account, day);
            sum += entry.own + entry.delegated;
        }
    }

    function _settleShare(ShareId memory id) internal returns (Emission memory e) {
        uint256 given;
        bool before = emissionOf[id.tableId][id.day].isSettled;
        (e, given) = _shareNow(id);
        if (before || !e.isSettled) return e;
        emissionOf[id.tableId][id.day] = e;
        Pool storage pool = pools[id.day];
        pool.settledUnits += units[id.tableId][id.day];
        pool.given += given;
        uint256 over = given - e.training - e.validators;
        if (over != 0) _addToPool(_today() + 1, over);
    }

    /// @dev What an operator and all its delegators together have of a share, and the delegation that the latter is for.
    function _partsOf(ShareId memory id, Emission memory e, address operator)
        internal
        view
        returns (uint256 own, uint256 ofDelegators, uint256 delegated)
    {
        if (e.training + e.validators == 0) return (0, 0, 0);
        Table storage table = tables[id.tableId];
        uint256 part =
            _memberPart(table.training, e.training, operator) + _memberPart(table.validators, e.validators, operator);
        if (part == 0) return (0, 0, 0);
        StakeEntry memory s = _stakeAt(operator, id.day);
        delegated = s.delegated;
        if (delegated != 0) ofDelegators = part * (PPM - s.sigmaPpm) * delegated / (PPM * (s.own + delegated));
        own = part - ofDelegators;
    }

    /// @dev By weight; what is left goes to the first member of the highest weight.
    function _memberPart(Member[] storage members, uint256 amount, address operator)
        private
        view
        returns (uint256 part)
    {
        if (amount == 0 || !_isIn(members, operator)) return 0;
        uint256 total = _totalWeight(members);
        uint256 left = amount;
        uint256 highest;
        address first;
        for (uint256 i; i < members.length; ++i) {
            Member memory member = members[i];
            uint256 own = amount * member.weight / total;
            left -= own;
            if (member.account == operator) part = own;
            if (member.weight > highest) (highest, first) = (member.weight, member.account);
        }
        if (first == operator) part += left;
    }

    function _operatorEmission(ShareId memory id, Emission memory e, address operator)
        internal
        view
        returns (uint256 own)
    {
        if (!isOperatorPaid[id.tableId][id.day][operator]) (own,,) = _partsOf(id, e, operator);
    }

    /// @dev Delegators who were paid before stand in front: a difference of floors over their delegation and this one.
    function _delegatorEmission(ShareId memory id, Emission memory e, address operator, address delegator)
        internal
        view
        returns (uint256 amount, uint256 mine)
    {
        if (isDelegatorPaid[id.tableId][id.day][operator][delegator]) return (0, 0);
        (, uint256 part, uint256 delegated) = _partsOf(id, e, operator);
        if (part == 0) return (0, 0);
        mine = _delegationAt(delegator, operator, id.day);
        uint256 before = delegationPaid[id.tableId][id.day][operator];
        amount = part * (before + mine) / delegated - part * before / delegated;
    }

    /// @dev Settles the shares and books an operator's part of them as paid.
    function _bookOperatorEmissions(address operator, ShareId[] memory ids) internal returns (uint256 gross) {
        for (uint256 i; i < ids.length; ++i) {
            ShareId memory id = ids[i];
            Emission memory e = _settleShare(id);
            uint256 amount = _operatorEmission(id, e, operator);
            gross += amount;
            if (amount != 0) emissionOf[id.tableId][id.day].paid += amount;
            isOperatorPaid[id.tableId][id.day][operator] = true;
        }
    }

    /// @dev The same for a delegator. A part below a unit counts as paid, so that the unit becomes the next delegator's.
    /// @return gross what the delegator is paid
    /// @return delegated sum of the delegations that it was not paid for before
    function _bookDelegatorEmissions(address delegator, address operator, ShareId[] memory ids)
        internal
        returns (uint256 gross, uint256 delegated)
    {
        for (uint256 i; i < ids.length; ++i) {
            ShareId memory id = ids[i];
            Emission memory e = _settleShare(id);
            (uint256 amount, uint256 mine) = _delegatorEmission(id, e, operator, delegator);
            gross += amount;
            delegated += mine;
            if (amount != 0) emissionOf[id.tableId][id.day].paid += amount;
            delegationPaid[id.tableId][id.day][operator] += mine;
            isDelegatorPaid[id.tableId][id.day][operator][delegator] = true;
        }
    }

    /// @dev Tokens that the program paid out.
    function _emitted(address receiver, uint256 amount) internal {
        wallet[receiver] += amount;
        emissionsOut += amount;
    }
}
