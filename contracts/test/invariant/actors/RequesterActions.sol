// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Request} from "../../../src/types/Usage.sol";
import {EmissionLedger} from "../EmissionLedger.sol";

/// @title Requesters ask, cancel, take escrow back, and fill, lock and empty their balances.
abstract contract RequesterActions is EmissionLedger {
    uint256 private constant MOST_REQUESTS = 64;
    uint256 private constant MOST_LOCK = 30 days;

    function requesterAsks(uint256 whoSeed, uint256 modelSeed, uint256 shapeSeed) external onTime {
        _asks(pick(requesters, whoSeed), _modelAt(modelSeed), 1, 0, mix(shapeSeed, 1) % 2 + 1, shapeSeed);
    }

    function requesterAsksAgainAndAgain(uint256 whoSeed, uint256 modelSeed, uint256 shapeSeed) external onTime {
        uint256 intervals = bound(mix(shapeSeed, 2), 2, 4);
        uint256 period = bound(mix(shapeSeed, 3), 10 minutes, 8 hours);
        uint256 redundancy = bound(mix(shapeSeed, 4), 1, 3);
        _asks(pick(requesters, whoSeed), _modelAt(modelSeed), intervals, period, redundancy, shapeSeed);
    }

    function requesterCancels(uint256 requestSeed, uint256 shapeSeed) external onTime {
        (bool any, uint256 index) = _someRequest(requestSeed, false);
        if (!any) return;
        Asked storage a = asked[index];
        address caller = rarely(shapeSeed, 6) ? stranger : a.request.requester;
        bytes memory refusal = _whyNotCancel(index, caller);
        bytes memory answer_ = call(
            caller, a.request.consumer, abi.encodeCall(IModelHostConsumer.cancel, (a.request.subscriptionId)), refusal
        );
        if (refusal.length == 0) _closed(index, abi.decode(answer_, (uint256)), true);
    }

    /// @dev Through the consumer or, as anybody may, at the meter itself.
    function anyoneTakesEscrowBack(uint256 requestSeed, uint256 shapeSeed) external onTime {
        (bool any, uint256 index) = _someRequest(requestSeed, true);
        if (!any) return;
        Asked storage a = asked[index];
        if (rarely(shapeSeed, 2)) _moveTo(uint256(a.request.deadline) + 1);
        bool late = clock > a.request.deadline;
        bytes memory early =
            abi.encodeWithSelector(IUsageMeter.DeadlineNotPassed.selector, a.id, uint256(a.request.deadline));
        bytes memory over = abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, a.id);
        bool atMeter = a.direct || rarely(shapeSeed, 3);
        bytes memory refusal;
        if (atMeter) refusal = a.left == 0 ? over : late ? bytes("") : early;
        else refusal = !late ? early : a.left == 0 ? over : bytes("");
        bytes memory answer_ = call(
            stranger,
            atMeter ? address(meter) : a.request.consumer,
            atMeter
                ? abi.encodeCall(IUsageMeter.close, (a.request.consumer, a.request.subscriptionId))
                : abi.encodeCall(IModelHostConsumer.reclaim, (a.request.subscriptionId)),
            refusal
        );
        if (refusal.length == 0) _closed(index, abi.decode(answer_, (uint256)), !atMeter);
    }

    /// @dev For itself or for another; at times more than it has.
    function requesterDeposits(uint256 whoSeed, uint256 forSeed, uint256 amountSeed) external onTime {
        address payer = pick(requesters, whoSeed);
        address account = rarely(forSeed, 3) ? pick(requesters, mix(forSeed, 1)) : payer;
        uint256 amount = rarely(amountSeed, 8) ? 0 : bound(mix(amountSeed, 1), 1, 10 ** (mix(amountSeed, 2) % 28));
        if (amount > wallet[payer]) amount = wallet[payer];
        bytes memory data = abi.encodeCall(IRewardDistributor.deposit, (account, amount));
        bytes memory refusal;
        if (rarely(mix(amountSeed, 3), 12)) {
            amount = wallet[payer] + 1;
            data = abi.encodeCall(IRewardDistributor.deposit, (account, amount));
            refusal = abi.encodeWithSignature("TransferFromFailed()");
        }
        call(payer, address(distributor), data, refusal);
        if (refusal.length != 0) return;
        wallet[payer] -= amount;
        balance[account] += amount;
        deposited += amount;
        funded += amount;
    }

    /// @dev At times longer than can be promised, or shorter than was.
    function requesterLocks(uint256 whoSeed, uint256 untilSeed) external onTime {
        address who = pick(requesters, whoSeed);
        uint256 until = bound(mix(untilSeed, 1), clock - 1 hours, clock + (rarely(untilSeed, 3) ? MOST_LOCK : 1 days));
        if (rarely(mix(untilSeed, 2), 8)) until = clock + MOST_LOCK + 1;
        bytes memory refusal;
        if (until < lockedUntil[who]) {
            refusal = abi.encodeWithSelector(IRewardDistributor.LockShortened.selector, lockedUntil[who]);
        } else if (until > clock + MOST_LOCK) {
            refusal = abi.encodeWithSelector(IRewardDistributor.LockTooLong.selector, clock + MOST_LOCK);
        }
        call(who, address(distributor), abi.encodeCall(IRewardDistributor.lockBalance, (uint40(until))), refusal);
        if (refusal.length == 0) lockedUntil[who] = until;
    }

    function requesterWithdraws(uint256 whoSeed, uint256 shapeSeed) external onTime {
        address account = pick(requesters, whoSeed);
        (address caller, address to) = _callerAndReceiver(account, shapeSeed);
        uint256 due = balance[account];
        if (rarely(mix(shapeSeed, 3), 3)) _moveTo(lockedUntil[account]);
        bytes memory refusal;
        if (to != address(0) && caller != account) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, account, caller);
        } else if (due == 0) {
            refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        } else if (clock < lockedUntil[account]) {
            refusal = abi.encodeWithSelector(IRewardDistributor.BalanceLocked.selector, lockedUntil[account]);
        }
        bytes memory answer_ = call(
            caller, address(distributor), abi.encodeCall(IRewardDistributor.withdrawBalance, (account, to)), refusal
        );
        if (refusal.length != 0) return;
        assertEq(abi.decode(answer_, (uint256)), due, "all of a balance at once");
        balance[account] = 0;
        _paid(to == address(0) ? account : to, due);
    }

    function _asks(
        address who,
        uint256 modelIndex,
        uint256 intervals,
        uint256 period,
        uint256 redundancy,
        uint256 shapeSeed
    ) internal {
        Model storage m = model[modelIndex];
        if (asked.length == MOST_REQUESTS) return;
        uint256 perAnswer = _fee(m.terms, m.terms.maxPromptTokens, m.terms.maxCompletionTokens);
        uint256 cost = perAnswer * intervals * redundancy;
        IModelHostConsumer.RequestParams memory p = IModelHostConsumer.RequestParams({
            modelId: m.id,
            payload: PROMPT,
            intervals: uint32(intervals),
            periodSec: uint32(period),
            redundancy: uint16(redundancy),
            lazy: rarely(shapeSeed, 4),
            timeoutSec: uint32(bound(mix(shapeSeed, 5), 1, 2 days)),
            maxCost: cost
        });
        address door = m.consumer;
        bytes memory refusal;
        if (meter.requestsPaused()) {
            refusal = abi.encodeWithSelector(IUsageMeter.RequestsArePaused.selector);
        } else if (m.status != IModelRegistry.Status.Active) {
            refusal = abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, m.id);
        } else if (cost != 0 && rarely(mix(shapeSeed, 6), 12)) {
            p.maxCost = cost - 1;
            refusal = abi.encodeWithSelector(IModelHostConsumer.CostAboveLimit.selector, cost, cost - 1);
        } else if (cost > wallet[who]) {
            refusal = abi.encodeWithSignature("TransferFromFailed()");
        } else if (rarely(mix(shapeSeed, 7), 12)) {
            door = door == consumers[0] ? consumers[1] : consumers[0];
            refusal = abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, m.consumer, door);
        }
        bool permits = refusal.length == 0 && rarely(mix(shapeSeed, 9), 6);
        bytes memory answer_ = call(
            who, door, permits ? _withPermit(p, who, door) : abi.encodeCall(IModelHostConsumer.request, (p)), refusal
        );
        if (permits) {
            vm.prank(who);
            token.approve(door, type(uint256).max);
        }
        if (refusal.length != 0) return;
        (uint32 subscriptionId, bytes32 requestId) = abi.decode(answer_, (uint32, bytes32));
        uint256 span = intervals == 1 ? 0 : (intervals + 1) * period;
        Request memory request = Request({
            consumer: door,
            subscriptionId: subscriptionId,
            modelId: m.id,
            requester: who,
            terms: m.terms,
            deadline: uint40(clock + span + p.timeoutSec),
            intervals: uint32(intervals),
            redundancy: uint16(redundancy)
        });
        wallet[who] -= cost;
        _opened(request, requestId, modelIndex, period, cost, false);
    }

    /// @dev The first model is that of a host who is its own consumer: nobody can ask it through Infernet.
    function _modelAt(uint256 seed) internal view returns (uint256) {
        return 1 + seed % (model.length - 1);
    }

    function _opened(
        Request memory request,
        bytes32 requestId,
        uint256 modelIndex,
        uint256 period,
        uint256 cost,
        bool direct
    ) internal {
        (Request memory kept, bytes memory payload) = meter.requestOf(request.consumer, request.subscriptionId);
        assertEq(
            keccak256(abi.encode(kept, payload)),
            keccak256(abi.encode(request, PROMPT)),
            "a request is what was asked, at the terms of the moment"
        );
        assertEq(requestId, keccak256(abi.encode(request.consumer, request.subscriptionId)), "id");
        Asked storage a = asked.push();
        a.request = request;
        a.id = requestId;
        a.model = modelIndex;
        a.perAnswer = cost / (uint256(request.intervals) * request.redundancy);
        a.left = uint256(request.intervals) * request.redundancy;
        a.activeAt = clock + period;
        a.period = period;
        a.direct = direct;
        funded += cost;
    }

    function _closed(uint256 index, uint256 refund, bool stopped) internal {
        Asked storage a = asked[index];
        assertEq(refund, a.perAnswer * a.left, "unused escrow comes back, no more and no less");
        balance[a.request.requester] += refund;
        closedRefunds += refund;
        a.left = 0;
        a.closed = true;
        if (stopped) a.stopped = true;
    }

    function _whyNotCancel(uint256 index, address caller) private view returns (bytes memory) {
        Asked storage a = asked[index];
        if (caller != a.request.requester) {
            return abi.encodeWithSelector(IModelHostConsumer.NotRequester.selector, caller);
        }
        if (clock <= a.request.deadline && !a.stopped && clock >= a.activeAt) {
            uint256 current = _intervalAt(a);
            bool answeredInFull = answersIn[index][current] >= a.request.redundancy;
            bool wholeIntervalMissed = current > a.latest + 1;
            if (current <= a.request.intervals && !answeredInFull && !wholeIntervalMissed) {
                return abi.encodeWithSelector(
                    IModelHostConsumer.AnswerPending.selector, a.request.subscriptionId, uint32(current)
                );
            }
        }
        if (a.left == 0) return abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, a.id);
        return "";
    }

    /// @dev Takes the place of the allowance that the consumer has.
    function _withPermit(IModelHostConsumer.RequestParams memory p, address who, address door)
        private
        returns (bytes memory)
    {
        vm.prank(who);
        token.approve(door, 0);
        bytes32 permit = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                who,
                door,
                p.maxCost,
                token.nonces(who),
                clock
            )
        );
        uint256 by;
        while (requesters[by] != who) ++by;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            actorKey(requesterKeys[by]), keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), permit))
        );
        return abi.encodeCall(IModelHostConsumer.requestWithPermit, (p, clock, v, r, s));
    }

    function _intervalAt(Asked storage a) internal view returns (uint256) {
        return a.period == 0 ? 1 : (clock - a.activeAt) / a.period + 1;
    }

    /// @dev An open request if there is one. Those without Infernet only where they are wanted.
    function _someRequest(uint256 seed, bool directToo) internal view returns (bool any, uint256 index) {
        uint256 count = asked.length;
        for (uint256 i; i < count; ++i) {
            uint256 at = (seed % count + i) % count;
            if (asked[at].direct && !directToo) continue;
            if (!any) (any, index) = (true, at);
            if (asked[at].left != 0) return (true, at);
        }
    }

    /// @dev The beneficiary to itself or to its safe, a stranger to the beneficiary, and now and then a thief.
    function _callerAndReceiver(address beneficiary, uint256 seed) internal view returns (address caller, address to) {
        uint256 kind = mix(seed, 8) % 8;
        if (kind == 0) return (stranger, stranger);
        if (kind < 3) return (stranger, address(0));
        return (beneficiary, kind < 5 ? address(0) : kind == 5 ? safe : beneficiary);
    }
}
