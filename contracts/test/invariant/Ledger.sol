// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Order, Request, Terms} from "../../src/types/Usage.sol";
import {OrderTest} from "../mocks/OrderTest.sol";
import {InvariantTest} from "./InvariantTest.sol";

/// @title A second set of books: what everybody is due, in plain arithmetic on a copy of all that happened.
/// @dev Nothing here reads what the contracts under test have booked, nor uses their libraries. Beside the exact books, every
///      delivery is handed out at once to operators and delegators by the stake of that moment, in units of 1 / SCALE and
///      without accumulators: what the exact books say must stay near to that.
abstract contract Ledger is InvariantTest, OrderTest {
    uint256 internal constant SCALE = 1e18;
    uint256 internal constant PPM = 1e6;
    uint256 internal constant MOST_PER_SHARE = 2 ** 144 - 1;

    struct Member {
        address account;
        uint256 weight;
    }

    /// @dev `signer` and `previousSigner` are places in the list of signers. A page is the fees since table or split changed.
    struct Model {
        ModelId id;
        address host;
        address consumer;
        IModelRegistry.Status status;
        Terms terms;
        uint256 signer;
        uint256 previousSigner;
        uint256 previousUntil;
        uint64 nonce;
        uint256 hostDue;
        uint256 hostClaimed;
        uint256 tableId;
        uint256 pageFees;
        uint256 pageTrainingPpm;
        uint256 pageValidatorPpm;
    }

    struct Table {
        Member[] training;
        Member[] validators;
        uint256 trainingWeight;
        uint256 validatorWeight;
        uint256 trainingFees;
        uint256 validatorFees;
    }

    /// @dev `direct` requests are opened at the meter by an account that is its own consumer, without Infernet.
    struct Asked {
        Request request;
        bytes32 id;
        uint256 model;
        uint256 perAnswer;
        uint256 left;
        uint256 answered;
        uint256 activeAt;
        uint256 period;
        uint256 latest;
        bool stopped;
        bool closed;
        bool direct;
    }

    struct Answered {
        uint256 index;
        uint32 interval;
        address node;
        uint32 promptTokens;
        uint32 completionTokens;
    }

    /// @dev `by` is the place of who signed in the list of requesters.
    struct Ordered {
        Order order;
        bytes32 id;
        uint256 model;
        uint256 by;
        bool used;
    }

    struct StakeBook {
        uint256 own;
        uint256 delegated;
        uint256 sigmaPpm;
        bool accepts;
        uint256 pendingSigma;
        uint256 pendingFrom;
    }

    /// @dev Stake after the last change of a day.
    struct StakeEntry {
        uint256 day;
        uint256 own;
        uint256 delegated;
        uint256 sigmaPpm;
    }

    struct DelegationEntry {
        uint256 day;
        uint256 amount;
    }

    /// @dev `split` is what of all earned was split with delegators. `accrued` is the operator's own of it, not claimed yet.
    struct OperatorBook {
        uint256 split;
        uint256 accrued;
        uint256 claimed;
        uint256 perShare;
        uint256 carry;
        bool saturated;
    }

    /// @dev `banked` counts 1 / SCALE units up to the last change of the delegation, when `perShare` was that of the operator.
    struct DelegatorBook {
        uint256 banked;
        uint256 perShare;
        uint256 claimed;
    }

    struct Leaving {
        uint256 amount;
        uint256 availableAt;
    }

    /// @dev Sums of what the meter said of each delivery, and of what each delivery had to cost.
    struct Fees {
        uint256 fee;
        uint256 host;
        uint256 training;
        uint256 validators;
        uint256 refund;
    }

    /// @dev The lower claim fee of operators and delegators from a day on.
    struct FeeChange {
        uint256 day;
        uint256 ppm;
    }

    /// @dev A table's emission of a day.
    struct ShareId {
        uint256 tableId;
        uint256 day;
    }

    /// @dev Not block.timestamp: the optimizer takes that for constant within a call.
    uint256 internal clock = 1_700_000_000;

    address[] internal requesters;
    string[] internal requesterKeys;
    address[] internal nodes;
    address[] internal hosts;
    address[] internal operators;
    address[] internal delegators;
    address[] internal consumers;
    address internal stranger = actor("stranger");
    address internal safe = actor("safe");

    Model[] internal model;
    Table[] internal tables;
    Asked[] internal asked;
    Answered[] internal answers;
    Ordered[] internal orders;
    mapping(uint256 model => mapping(address node => bool)) internal listed;
    mapping(uint256 index => mapping(uint256 interval => uint256 count)) internal answersIn;
    mapping(uint256 index => mapping(uint256 interval => uint256 places)) internal placesUsed;
    mapping(uint256 index => mapping(uint256 interval => mapping(address node => uint256 times))) internal timesPaid;
    mapping(uint256 tableId => mapping(address operator => uint256 weight)) internal trainingWeight;
    mapping(uint256 tableId => mapping(address operator => uint256 weight)) internal validatorWeight;

    Fees internal told;
    Fees internal worked;
    IRewardDistributor.ClaimFees internal rates = IRewardDistributor.ClaimFees(0, 80_000, 145_000);
    FeeChange[] internal feeChanges;
    mapping(address account => uint256 tokens) internal wallet;
    uint256 internal funded;
    uint256 internal deposited;
    uint256 internal paidOut;
    uint256 internal donated;
    uint256 internal donationsTaken;
    uint256 internal closedRefunds;
    uint256 internal orderFees;
    uint256 internal claimFeesDue;
    uint256 internal claimFeesPaid;
    mapping(address requester => uint256) internal balance;
    mapping(address requester => uint256) internal lockedUntil;

    mapping(address operator => StakeBook) internal staked;
    mapping(address operator => mapping(address delegator => uint256)) internal delegation;
    mapping(address operator => mapping(address account => Leaving)) internal leaving;
    mapping(address operator => StakeEntry[]) internal stakeHistory;
    mapping(address operator => mapping(address delegator => DelegationEntry[])) internal delegationHistory;
    mapping(address operator => uint256) internal mostDelegated;
    uint256 internal stakeDonated;

    mapping(address operator => uint256) internal earnedInClosedTables;
    mapping(address operator => OperatorBook) internal operatorBook;
    mapping(address operator => mapping(address delegator => DelegatorBook)) internal delegatorBook;
    mapping(address operator => uint256 scaled) internal operatorWorth;
    mapping(address operator => mapping(address delegator => uint256 scaled)) internal delegatorWorth;
    mapping(address operator => uint256 units) internal slack;

    mapping(uint256 day => bool) internal isFunded;
    mapping(uint256 tableId => mapping(uint256 day => uint256)) internal units;
    mapping(uint256 day => uint256) internal unitsOfDay;
    ShareId[] internal shares;

    modifier onTime() {
        vm.warp(clock);
        _;
    }

    function _moveTo(uint256 time) internal {
        if (time > clock) clock = time;
        vm.warp(clock);
    }

    function _today() internal view returns (uint256) {
        return clock / 1 days;
    }

    /// @dev Price per answer plus tokens at their prices per million, rounded up.
    function _fee(Terms memory t, uint256 promptTokens, uint256 completionTokens) internal pure returns (uint256) {
        uint256 metered = promptTokens * t.promptPrice + completionTokens * t.completionPrice;
        return t.requestPrice + metered / PPM + (metered % PPM == 0 ? 0 : 1);
    }

    function _totalWeight(Member[] storage members) internal view returns (uint256 total) {
        for (uint256 i; i < members.length; ++i) {
            total += members[i].weight;
        }
    }

    /// @dev Books one delivery: each role has what its part of the page grows by.
    function _bookFee(uint256 modelIndex, Terms memory t, uint256 fee, address requester, uint256 refund)
        internal
        returns (Fees memory parts)
    {
        Model storage m = model[modelIndex];
        Table storage table = tables[m.tableId];
        if (m.pageTrainingPpm != t.trainingPpm || m.pageValidatorPpm != t.validatorPpm) {
            (m.pageFees, m.pageTrainingPpm, m.pageValidatorPpm) = (0, t.trainingPpm, t.validatorPpm);
        }
        uint256 trainingPpm = table.training.length == 0 ? 0 : t.trainingPpm;
        uint256 validatorPpm = table.validators.length == 0 ? 0 : t.validatorPpm;
        (uint256 trainingBefore, uint256 validatorsBefore) = _partsOfPage(m.pageFees, trainingPpm, validatorPpm);
        m.pageFees += fee;
        (parts.training, parts.validators) = _partsOfPage(m.pageFees, trainingPpm, validatorPpm);
        parts.training -= trainingBefore;
        parts.validators -= validatorsBefore;
        parts.fee = fee;
        parts.refund = refund;
        table.trainingFees += parts.training;
        table.validatorFees += parts.validators;
        parts.host = fee - parts.training - parts.validators;
        m.hostDue += parts.host;
        _add(worked, parts);
        balance[requester] += refund;
        _countUnits(m.tableId, parts.training + parts.validators);
        _handOut(table.training, parts.training, table.trainingWeight);
        _handOut(table.validators, parts.validators, table.validatorWeight);
    }

    /// @dev Both roles together have the floor of their part, training nodes the floor of theirs of it.
    function _partsOfPage(uint256 fees, uint256 trainingPpm, uint256 validatorPpm)
        private
        pure
        returns (uint256 training, uint256 validators)
    {
        if (trainingPpm + validatorPpm == 0) return (0, 0);
        uint256 both = fees * (trainingPpm + validatorPpm) / PPM;
        training = both * trainingPpm / (trainingPpm + validatorPpm);
        validators = both - training;
    }

    function _countUnits(uint256 tableId, uint256 amount) private {
        uint256 day = _today();
        if (amount == 0 || !isFunded[day]) return;
        if (units[tableId][day] == 0) shares.push(ShareId(tableId, day));
        units[tableId][day] += amount;
        unitsOfDay[day] += amount;
    }

    function _handOut(Member[] storage members, uint256 part, uint256 total) private {
        if (part == 0) return;
        for (uint256 i; i < members.length; ++i) {
            address operator = members[i].account;
            uint256 earned = part * SCALE * members[i].weight / total;
            StakeBook storage s = staked[operator];
            uint256 delegated = s.delegated;
            uint256 toDelegators;
            if (delegated != 0) {
                toDelegators = earned * (PPM - s.sigmaPpm) * delegated / (PPM * (s.own + delegated));
                for (uint256 j; j < delegators.length; ++j) {
                    uint256 amount = delegation[operator][delegators[j]];
                    if (amount != 0) delegatorWorth[operator][delegators[j]] += toDelegators * amount / delegated;
                }
            }
            operatorWorth[operator] += earned - toDelegators;
        }
    }

    /// @dev A new table comes into force. Floors of each member's share of the old one stay its own, the units between them
    ///      are the host's.
    function _changeTable(Model storage m, IRewardDistributor.ContributorTable memory t) internal {
        Table storage old = tables[m.tableId];
        uint256 rest = old.trainingFees + old.validatorFees;
        for (uint256 i; i < operators.length; ++i) {
            uint256 earned = _earnedIn(m.tableId, operators[i]);
            if (earned == 0) continue;
            earnedInClosedTables[operators[i]] += earned;
            rest -= earned;
            // A unit for each role.
            slack[operators[i]] += 2;
        }
        m.hostDue += rest;
        m.nonce = t.nonce;
        m.pageFees = 0;
        m.tableId = tables.length;
        Table storage table = tables.push();
        for (uint256 i; i < t.training.length; ++i) {
            table.training.push(Member(t.training[i].account, t.training[i].weight));
            table.trainingWeight += t.training[i].weight;
            trainingWeight[m.tableId][t.training[i].account] = t.training[i].weight;
        }
        for (uint256 i; i < t.validators.length; ++i) {
            table.validators.push(Member(t.validators[i].account, t.validators[i].weight));
            table.validatorWeight += t.validators[i].weight;
            validatorWeight[m.tableId][t.validators[i].account] = t.validators[i].weight;
        }
    }

    /// @dev Floors of an operator's shares of all that the roles of a table have.
    function _earnedIn(uint256 tableId, address operator) internal view returns (uint256 earned) {
        Table storage table = tables[tableId];
        uint256 weight = trainingWeight[tableId][operator];
        if (weight != 0) earned = table.trainingFees * weight / table.trainingWeight;
        weight = validatorWeight[tableId][operator];
        if (weight != 0) earned += table.validatorFees * weight / table.validatorWeight;
    }

    /// @dev All that an operator and its delegators ever earned.
    function _earnedInAll(address operator) internal view returns (uint256 earned) {
        earned = earnedInClosedTables[operator];
        for (uint256 i; i < model.length; ++i) {
            earned += _earnedIn(model[i].tableId, operator);
        }
    }

    /// @dev What settling an operator now would make of its book: all that was earned since the last time is split as one sum,
    ///      the delegators' part spread evenly over delegated units as far as there is room.
    function _settledBook(address operator) internal view returns (OperatorBook memory book) {
        book = operatorBook[operator];
        uint256 all = _earnedInAll(operator);
        uint256 earned = all - book.split;
        book.split = all;
        StakeBook storage s = staked[operator];
        uint256 delegated = s.delegated;
        uint256 part;
        if (delegated != 0) part = earned * (PPM - s.sigmaPpm) * delegated / (PPM * (s.own + delegated));
        if (part != 0) {
            uint256 whole = part * SCALE + book.carry;
            uint256 room = (MOST_PER_SHARE - book.perShare) * delegated;
            if (book.perShare + whole / delegated <= MOST_PER_SHARE) {
                book.perShare += whole / delegated;
                book.carry = whole % delegated;
            } else {
                book.saturated = true;
                // What is left over can already be more than there is room.
                uint256 excess = whole - room;
                if (excess < part * SCALE) {
                    book.carry = excess % SCALE;
                    part -= excess / SCALE;
                } else {
                    book.carry -= room;
                    part = 0;
                }
                book.perShare = MOST_PER_SHARE;
            }
        }
        book.accrued += earned - part;
    }

    function _settle(address operator) internal {
        operatorBook[operator] = _settledBook(operator);
        _roundedOff(operator);
    }

    /// @dev What an operator, and a delegator with it, can claim.
    function _operatorDue(address operator) internal view returns (uint256) {
        return _settledBook(operator).accrued;
    }

    function _delegatorDue(address operator, address delegator) internal view returns (uint256) {
        return _delegatorDue(operator, delegator, _settledBook(operator).perShare);
    }

    function _delegatorDue(address operator, address delegator, uint256 perShare) internal view returns (uint256) {
        DelegatorBook storage book = delegatorBook[operator][delegator];
        uint256 scaled = book.banked + delegation[operator][delegator] * (perShare - book.perShare);
        return scaled / SCALE - book.claimed;
    }

    /// @dev What the contracts say an operator and its delegators can claim.
    function _assertDues(address operator) internal view {
        OperatorBook memory book = _settledBook(operator);
        assertEq(distributor.claimableOperator(operator), book.accrued, "operator's due");
        for (uint256 i; i < delegators.length; ++i) {
            uint256 due = _delegatorDue(operator, delegators[i], book.perShare);
            assertEq(distributor.claimableDelegator(delegators[i], operator), due, "delegator's due");
        }
    }

    /// @dev Before a stake changes: the past is split by the stake it was earned with.
    function _beforeStake(address operator) internal {
        _settle(operator);
    }

    function _beforeStake(address operator, address delegator) internal {
        _settle(operator);
        DelegatorBook storage book = delegatorBook[operator][delegator];
        uint256 perShare = operatorBook[operator].perShare;
        book.banked += delegation[operator][delegator] * (perShare - book.perShare);
        book.perShare = perShare;
    }

    function _afterStake(address operator) internal {
        StakeBook storage s = staked[operator];
        if (s.delegated > mostDelegated[operator]) mostDelegated[operator] = s.delegated;
        StakeEntry[] storage history = stakeHistory[operator];
        StakeEntry memory entry = StakeEntry(_today(), s.own, s.delegated, s.sigmaPpm);
        if (history.length != 0 && history[history.length - 1].day == entry.day) history[history.length - 1] = entry;
        else history.push(entry);
    }

    function _afterStake(address operator, address delegator) internal {
        _afterStake(operator);
        DelegationEntry[] storage history = delegationHistory[operator][delegator];
        DelegationEntry memory entry = DelegationEntry(_today(), delegation[operator][delegator]);
        if (history.length != 0 && history[history.length - 1].day == entry.day) history[history.length - 1] = entry;
        else history.push(entry);
    }

    /// @dev Stake with which a day began: that after the last change before it.
    function _stakeAt(address operator, uint256 day) internal view returns (StakeEntry memory) {
        StakeEntry[] storage history = stakeHistory[operator];
        for (uint256 i = history.length; i > 0; --i) {
            if (history[i - 1].day < day) return history[i - 1];
        }
        return StakeEntry(0, 0, 0, 0);
    }

    function _delegationAt(address delegator, address operator, uint256 day) internal view returns (uint256) {
        DelegationEntry[] storage history = delegationHistory[operator][delegator];
        for (uint256 i = history.length; i > 0; --i) {
            if (history[i - 1].day < day) return history[i - 1].amount;
        }
        return 0;
    }

    /// @dev What rounding may move at one settlement: a unit for each role in each table, one for the split with delegators,
    ///      and the carry of the per-share spread, which is below one unit per 1e18 delegated units.
    function _roundedOff(address operator) internal {
        slack[operator] += _slackOfOne(operator);
    }

    function _slackOfOne(address operator) internal view returns (uint256) {
        return 2 * model.length + 3 + mostDelegated[operator] / SCALE;
    }

    function _isIn(Member[] storage members, address account) internal view returns (bool) {
        for (uint256 i; i < members.length; ++i) {
            if (members[i].account == account) return true;
        }
        return false;
    }

    function _add(Fees storage sum, Fees memory parts) internal {
        sum.fee += parts.fee;
        sum.host += parts.host;
        sum.training += parts.training;
        sum.validators += parts.validators;
        sum.refund += parts.refund;
    }

    function _less(uint256 gross, uint256 ppm) internal pure returns (uint256 net, uint256 claimFee) {
        claimFee = gross * ppm / PPM;
        net = gross - claimFee;
    }

    /// @dev Tokens that the distributor paid out.
    function _paid(address receiver, uint256 amount) internal {
        wallet[receiver] += amount;
        paidOut += amount;
    }
}
