// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Request, Terms} from "../../src/types/Usage.sol";
import {FlockTest} from "../utils/FlockTest.sol";
import {InvariantTest} from "./InvariantTest.sol";

/// @title A second set of books: what everybody is due, worked out delivery by delivery without accumulators.
/// @dev Rewards are handed to every operator and delegator at the moment of each delivery, by the stake of that moment, in
///      units of 1 / SCALE. Nothing here reads what the contracts under test have booked.
abstract contract Ledger is InvariantTest, FlockTest {
    uint256 internal constant SCALE = 1e18;
    uint256 internal constant PPM = 1e6;

    struct Member {
        address account;
        uint256 weight;
    }

    /// @dev `signer` and `previousSigner` are places in the list of signers.
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
        uint256 trainingFees;
        uint256 validatorFees;
        Member[] training;
        Member[] validators;
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

    struct StakeBook {
        uint256 own;
        uint256 delegated;
        uint256 sigmaPpm;
        bool accepts;
        uint256 pendingSigma;
        uint256 pendingFrom;
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

    /// @dev Not block.timestamp: the optimizer takes that for constant within a call.
    uint256 internal clock = 1_700_000_000;

    address[] internal requesters;
    address[] internal nodes;
    address[] internal hosts;
    address[] internal operators;
    address[] internal delegators;
    address[] internal consumers;
    address internal stranger = actor("stranger");
    address internal safe = actor("safe");

    Model[] internal model;
    Asked[] internal asked;
    Answered[] internal answers;
    mapping(uint256 model => mapping(address node => bool)) internal listed;
    mapping(uint256 index => mapping(uint256 interval => uint256 count)) internal answersIn;
    mapping(uint256 index => mapping(uint256 interval => uint256 places)) internal placesUsed;
    mapping(uint256 index => mapping(uint256 interval => mapping(address node => uint256 times))) internal timesPaid;

    Fees internal told;
    Fees internal worked;
    mapping(address account => uint256 tokens) internal wallet;
    uint256 internal funded;
    uint256 internal paidOut;
    uint256 internal donated;
    uint256 internal donationsTaken;
    uint256 internal closedRefunds;
    uint256 internal claimFeesDue;
    uint256 internal claimFeesPaid;
    mapping(address requester => uint256) internal refundsDue;
    mapping(address requester => uint256) internal refundsPaid;

    mapping(address operator => StakeBook) internal staked;
    mapping(address operator => mapping(address delegator => uint256)) internal delegation;
    mapping(address operator => mapping(address account => Leaving)) internal leaving;
    mapping(address operator => uint256) internal mostDelegated;
    uint256 internal stakeDonated;

    mapping(address operator => uint256 scaled) internal operatorDue;
    mapping(address operator => mapping(address delegator => uint256 scaled)) internal delegatorDue;
    mapping(address operator => uint256) internal earnedInClosedTables;
    mapping(address operator => uint256) internal operatorClaimed;
    mapping(address operator => mapping(address delegator => uint256)) internal delegatorClaimed;
    mapping(address operator => uint256 units) internal slack;

    modifier onTime() {
        vm.warp(clock);
        _;
    }

    function _moveTo(uint256 time) internal {
        if (time > clock) clock = time;
        vm.warp(clock);
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

    /// @dev Books one delivery: who is due what, by the stake of this moment.
    function _bookFee(uint256 index, uint256 promptTokens, uint256 completionTokens)
        internal
        returns (Fees memory parts)
    {
        Asked storage a = asked[index];
        Model storage m = model[a.model];
        Terms memory t = a.request.terms;
        parts.fee = _fee(t, promptTokens, completionTokens);
        parts.refund = a.perAnswer - parts.fee;
        if (m.training.length != 0) parts.training = parts.fee * t.trainingPpm / PPM;
        if (m.validators.length != 0) parts.validators = parts.fee * t.validatorPpm / PPM;
        parts.host = parts.fee - parts.training - parts.validators;

        _add(worked, parts);
        m.hostDue += parts.host;
        m.trainingFees += parts.training;
        m.validatorFees += parts.validators;
        refundsDue[a.request.requester] += parts.refund;
        _handOut(m.training, parts.training);
        _handOut(m.validators, parts.validators);
    }

    function _handOut(Member[] storage members, uint256 part) private {
        uint256 total = _totalWeight(members);
        for (uint256 i; i < members.length; ++i) {
            address operator = members[i].account;
            uint256 earned = part * SCALE * members[i].weight / total;
            StakeBook storage s = staked[operator];
            uint256 toDelegators;
            if (s.delegated != 0) {
                toDelegators = earned * (PPM - s.sigmaPpm) * s.delegated / (PPM * (s.own + s.delegated));
                for (uint256 j; j < delegators.length; ++j) {
                    uint256 amount = delegation[operator][delegators[j]];
                    if (amount != 0) delegatorDue[operator][delegators[j]] += toDelegators * amount / s.delegated;
                }
            }
            operatorDue[operator] += earned - toDelegators;
        }
    }

    /// @dev A table gives way: floors of each member's share stay its own, the units between them are the host's.
    function _closeTable(Model storage m) internal {
        m.hostDue += _closeRole(m.training, m.trainingFees) + _closeRole(m.validators, m.validatorFees);
        (m.trainingFees, m.validatorFees) = (0, 0);
        delete m.training;
        delete m.validators;
    }

    function _closeRole(Member[] storage members, uint256 fees) private returns (uint256 rest) {
        rest = fees;
        uint256 total = _totalWeight(members);
        for (uint256 i; i < members.length; ++i) {
            uint256 earned = fees * members[i].weight / total;
            earnedInClosedTables[members[i].account] += earned;
            rest -= earned;
            _settled(members[i].account);
        }
    }

    /// @dev What rounding may move at one settlement: a unit for each role in each table, one for the split with delegators,
    ///      and the carry of the per-share spread, which is below one unit per 1e18 delegated units.
    function _settled(address operator) internal {
        slack[operator] += _slackOfOne(operator);
    }

    function _slackOfOne(address operator) internal view returns (uint256) {
        return 2 * model.length + 3 + mostDelegated[operator] / 1e18;
    }

    /// @dev Everything an operator and its delegators were due from tables, floors as the contract states them.
    function _earnedInAll(address operator) internal view returns (uint256 earned) {
        earned = earnedInClosedTables[operator];
        for (uint256 i; i < model.length; ++i) {
            earned += _earnedInRole(model[i].training, model[i].trainingFees, operator);
            earned += _earnedInRole(model[i].validators, model[i].validatorFees, operator);
        }
    }

    function _earnedInRole(Member[] storage members, uint256 fees, address operator) private view returns (uint256) {
        for (uint256 i; i < members.length; ++i) {
            if (members[i].account == operator) return fees * members[i].weight / _totalWeight(members);
        }
        return 0;
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

    /// @dev Tokens that the distributor paid out.
    function _paid(address receiver, uint256 amount) internal {
        wallet[receiver] += amount;
        paidOut += amount;
    }
}
