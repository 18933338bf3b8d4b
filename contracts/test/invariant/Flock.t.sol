// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelHostConsumer} from "../../src/ModelHostConsumer.sol";
import {IEmissionProgram} from "../../src/interfaces/IEmissionProgram.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {IUsageMeter} from "../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Request, Terms, UsageReceipt} from "../../src/types/Usage.sol";
import {SignerWallet} from "../mocks/SignerWallet.sol";
import {EmissionActions} from "./actors/EmissionActions.sol";
import {StakeActions} from "./actors/StakeActions.sol";

/// @title What holds whatever requesters, nodes, hosts, attesters, stakers, the owner and strangers do, in any order.
/// @dev Each invariant has a seed of its own: without, forge plays one and the same sequence of actions to all of them.
contract FlockInvariants is EmissionActions, StakeActions {
    uint256 private constant REQUESTER_FUNDS = 1e30;

    function setUp() public override {
        super.setUp();
        address rogue = actor("host who is its own consumer");
        address otherHost = actor("other host");
        // The first host signs subscriptions for both consumers.
        ModelHostConsumer otherConsumer = newConsumer(otherHost);
        consumers = [address(consumer), address(otherConsumer)];
        hosts = [rogue, host, otherHost];
        requesters = [requester, actor("requester B"), actor("requester C")];
        requesterKeys = ["requester", "requester B", "requester C"];
        nodes = [node, secondNode, actor("node C"), actor("node D"), actor("node E")];
        operators = [
            actor("training node A"),
            actor("training node B"),
            actor("validator A"),
            actor("validator B"),
            actor("operator of both roles")
        ];
        // One account is operator and delegator.
        delegators = [actor("delegator A"), actor("delegator B"), actor("delegator C"), operators[0]];
        attesters = [attester, actor("attester B")];
        attesterKeys = ["attester", "attester B"];
        receiverOfClaimFees = treasury;
        _feesChanged();
        vm.prank(owner);
        distributor.setAttester(attesters[1], true);
        tables.push();
        _setUpSigners();
        _setUpModels();
        _setUpRequesters();
        for (uint256 i; i < operators.length + delegators.length; ++i) {
            vm.prank(i < operators.length ? operators[i] : delegators[i - operators.length]);
            stakeToken.approve(address(vault), type(uint256).max);
        }
        vm.prank(funder);
        token.approve(address(emissions), type(uint256).max);
        _setUpStake();
        _addActions();
    }

    /// forge-config: default.fuzz.seed = "0x01"
    function invariant_tokensHeldAreAllThatIsOwedAndWhatWasGivenAway() public view {
        assertEq(
            token.balanceOf(address(distributor)),
            distributor.reserves() + donated - donationsTaken,
            "held = owed + given"
        );
    }

    /// forge-config: default.fuzz.seed = "0x02"
    /// forge-config: default.invariant.check_interval = 4
    function invariant_reservesAreEscrowsPartsBalancesAndRemainders() public view {
        uint256 owed = _openEscrow() + distributor.treasuryOwed();
        for (uint256 i; i < requesters.length; ++i) {
            owed += distributor.balanceOf(requesters[i]);
        }
        uint256 remainders;
        for (uint256 i; i < model.length; ++i) {
            owed += distributor.claimableHost(model[i].id);
            Table storage table = tables[model[i].tableId];
            remainders += table.trainingFees + table.validatorFees;
            for (uint256 j; j < operators.length; ++j) {
                remainders -= _earnedIn(model[i].tableId, operators[j]);
            }
        }
        for (uint256 i; i < operators.length; ++i) {
            (uint256 due, uint256 remainder) = _claimableAt(operators[i]);
            owed += due;
            remainders += remainder;
        }
        assertGe(distributor.reserves(), owed, "never less than what can be claimed");
        assertLe(distributor.reserves(), owed + remainders, "never more than that and the remainders");
    }

    /// forge-config: default.fuzz.seed = "0x16"
    function invariant_reservesAreWhatTheBooksOwe() public view {
        uint256 owed = claimFeesDue - claimFeesPaid;
        for (uint256 i; i < asked.length; ++i) {
            owed += asked[i].perAnswer * asked[i].left;
        }
        for (uint256 i; i < requesters.length; ++i) {
            owed += balance[requesters[i]];
        }
        for (uint256 i; i < model.length; ++i) {
            owed += model[i].hostDue - model[i].hostClaimed;
            Table storage table = tables[model[i].tableId];
            owed += table.trainingFees + table.validatorFees;
        }
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            owed += earnedInClosedTables[operator];
            owed -= operatorBook[operator].claimed;
            for (uint256 j; j < delegators.length; ++j) {
                owed -= delegatorBook[operator][delegators[j]].claimed;
            }
        }
        assertEq(distributor.reserves(), owed, "owed to the unit");
    }

    /// forge-config: default.fuzz.seed = "0x03"
    function invariant_everyFeeIsTheSumOfItsParts() public view {
        assertEq(told.fee, told.host + told.training + told.validators, "fee = host + training + validators");
        assertEq(keccak256(abi.encode(told)), keccak256(abi.encode(worked)), "as the terms of each request have it");
    }

    /// forge-config: default.fuzz.seed = "0x04"
    function invariant_everyEscrowIsFeeRefundOrStillOpen() public view {
        assertEq(
            funded - deposited + donationsTaken,
            told.fee - orderFees + told.refund + closedRefunds + _openEscrow(),
            "in = used + returned + open"
        );
    }

    /// forge-config: default.fuzz.seed = "0x05"
    function invariant_paidNeverExceedsFunded() public view {
        assertLe(paidOut, funded + donationsTaken, "paid <= funded");
        assertEq(paidOut + token.balanceOf(address(distributor)), funded + donated, "what came in is here or was paid");
    }

    /// forge-config: default.fuzz.seed = "0x06"
    function invariant_nobodyIsPaidTwiceOrForAnother() public view {
        _checkWallets(requesters);
        _checkWallets(nodes);
        _checkWallets(hosts);
        _checkWallets(operators);
        _checkWallets(delegators);
        _checkWallets(attesters);
        assertEq(token.balanceOf(treasury), wallet[treasury], "treasury");
        assertEq(token.balanceOf(safe), wallet[safe], "safe");
        assertEq(token.balanceOf(funder), wallet[funder], "funder");
        assertEq(token.balanceOf(stranger), 0, "strangers get nothing");
        assertEq(token.balanceOf(address(consumer)) + token.balanceOf(consumers[1]), 0, "consumers keep nothing");
    }

    /// forge-config: default.fuzz.seed = "0x07"
    function invariant_hostsGetTheirPartToTheUnit() public view {
        for (uint256 i; i < model.length; ++i) {
            assertEq(distributor.claimableHost(model[i].id), model[i].hostDue - model[i].hostClaimed, "host");
        }
    }

    /// forge-config: default.fuzz.seed = "0x08"
    function invariant_balancesAreTheRequestersToTheUnit() public view {
        for (uint256 i; i < requesters.length; ++i) {
            address who = requesters[i];
            assertEq(distributor.balanceOf(who), balance[who], "deposits and refunds less orders and withdrawals");
            assertEq(distributor.lockedUntil(who), lockedUntil[who], "lock");
        }
    }

    /// forge-config: default.fuzz.seed = "0x09"
    function invariant_treasuryGetsTheClaimFeesAndNothingElse() public view {
        assertEq(distributor.treasuryOwed(), claimFeesDue - claimFeesPaid, "owed to the treasury");
    }

    /// An operator and its delegators together: floors of each table's shares, less the carry of the per-share spread.
    /// forge-config: default.fuzz.seed = "0x0a"
    /// forge-config: default.invariant.check_interval = 4
    function invariant_tablesPayTheirMembersSharesAndNoMore() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            (uint256 due, uint256 remainder) = _claimableAt(operator);
            due += operatorBook[operator].claimed;
            for (uint256 j; j < delegators.length; ++j) {
                due += delegatorBook[operator][delegators[j]].claimed;
            }
            uint256 earned = _earnedInAll(operator);
            assertLe(due, earned, "never more than the table's shares");
            assertGe(due + remainder, earned, "never less, but for the remainders");
        }
    }

    /// However often and in whatever order anyone claims, stakes or changes sigma.
    /// forge-config: default.fuzz.seed = "0x17"
    function invariant_operatorsCanClaimWhatTheBooksSay() public view {
        for (uint256 i; i < operators.length; ++i) {
            assertEq(distributor.claimableOperator(operators[i]), _operatorDue(operators[i]), "operator, to the unit");
        }
    }

    /// forge-config: default.fuzz.seed = "0x18"
    function invariant_delegatorsCanClaimWhatTheBooksSay() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 perShare = _settledBook(operator).perShare;
            for (uint256 j; j < delegators.length; ++j) {
                assertEq(
                    distributor.claimableDelegator(delegators[j], operator),
                    _delegatorDue(operator, delegators[j], perShare),
                    "delegator, to the unit"
                );
            }
        }
    }

    /// What each gets is what the deliveries were worth to it when they happened, within the units that settlements round
    /// away. Where the books of rewards per delegated unit are full, the rest is the operator's.
    /// forge-config: default.fuzz.seed = "0x0b"
    function invariant_operatorsEarnByTheStakeOfEachDelivery() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 got = distributor.claimableOperator(operator) + operatorBook[operator].claimed;
            uint256 worth = operatorWorth[operator] / SCALE;
            uint256 most = slack[operator] + _slackOfOne(operator);
            if (!_settledBook(operator).saturated) assertLe(got, worth + most, "operator, more than it was worth");
            assertGe(got + most, worth, "operator, less than it was worth");
        }
    }

    /// forge-config: default.fuzz.seed = "0x0c"
    /// forge-config: default.invariant.check_interval = 2
    function invariant_delegatorsEarnFromNoUsageBeforeTheirStake() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 most = slack[operator] + _slackOfOne(operator);
            bool saturated = _settledBook(operator).saturated;
            for (uint256 j; j < delegators.length; ++j) {
                uint256 claimed = delegatorBook[operator][delegators[j]].claimed;
                uint256 got = distributor.claimableDelegator(delegators[j], operator) + claimed;
                uint256 worth = delegatorWorth[operator][delegators[j]] / SCALE;
                assertLe(got, worth + most, "delegator, more than it was worth");
                if (!saturated) assertGe(got + most, worth, "delegator, less than it was worth");
                if (delegationHistory[operator][delegators[j]].length == 0) assertEq(got, 0, "nothing without stake");
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x0d"
    /// forge-config: default.invariant.check_interval = 4
    function invariant_accountsOutsideTablesAndStakeEarnNothing() public view {
        address[5] memory others = [stranger, safe, owner, attesters[0], nodes[0]];
        for (uint256 i; i < others.length; ++i) {
            assertEq(distributor.balanceOf(others[i]), 0, "no balance");
            assertEq(distributor.claimableOperator(others[i]), 0, "no part");
            for (uint256 j; j < operators.length; ++j) {
                assertEq(distributor.claimableDelegator(others[i], operators[j]), 0, "no part of an operator's");
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x0e"
    function invariant_progressFallsByOneForEachPaidAnswer() public view {
        for (uint256 i; i < asked.length; ++i) {
            Asked storage a = asked[i];
            IUsageMeter.Progress memory p = meter.progressOf(a.id);
            uint256 all = uint256(a.request.intervals) * a.request.redundancy;
            assertEq(p.deliveriesLeft, a.closed ? 0 : all - a.answered, "answers left");
            assertEq(p.interval, a.latest, "latest interval");
        }
    }

    /// forge-config: default.fuzz.seed = "0x0f"
    function invariant_aNodeIsPaidOncePerRequestAndInterval() public view {
        for (uint256 i; i < answers.length; ++i) {
            Answered memory a = answers[i];
            assertEq(timesPaid[a.index][a.interval][a.node], 1, "paid once");
            Asked storage request = asked[a.index];
            if (request.direct) continue;
            assertLe(answersIn[a.index][a.interval], request.request.redundancy, "answers of an interval");
            assertLe(a.interval, request.request.intervals, "an interval that was asked for");
        }
    }

    /// forge-config: default.fuzz.seed = "0x10"
    function invariant_stakeHeldIsStakesWithdrawalsAndGifts() public view {
        uint256 owed;
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            IStakeVault.Stake memory s = vault.stakeOf(operator);
            uint256 delegated;
            for (uint256 j; j < delegators.length; ++j) {
                delegated += vault.delegationOf(delegators[j], operator);
                if (delegators[j] != operator) owed += vault.withdrawalOf(delegators[j], operator).amount;
            }
            assertEq(s.delegated, delegated, "an operator's delegations add up");
            owed += uint256(s.own) + s.delegated + vault.withdrawalOf(operator, operator).amount;
        }
        assertEq(stakeToken.balanceOf(address(vault)), owed + stakeDonated, "held = stakes + leaving + given");
    }

    /// forge-config: default.fuzz.seed = "0x11"
    function invariant_stakeIsWhatItsOwnersPutIn() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            IStakeVault.Stake memory s = vault.stakeOf(operator);
            assertEq(s.own, staked[operator].own, "own");
            assertEq(s.sigmaPpm, staked[operator].sigmaPpm, "sigma");
            assertEq(s.acceptsDelegation, staked[operator].accepts, "accepts delegation");
            for (uint256 j; j < delegators.length; ++j) {
                assertEq(vault.delegationOf(delegators[j], operator), delegation[operator][delegators[j]], "delegation");
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x12"
    /// forge-config: default.invariant.check_interval = 4
    function invariant_modelsOfAnOperatorAreThoseWhoseTablesNameIt() public view {
        uint256[] memory found = new uint256[](operators.length);
        for (uint256 i; i < model.length; ++i) {
            (
                uint256 tableId,
                uint64 nonce,
                IRewardDistributor.Contributor[] memory t,
                IRewardDistributor.Contributor[] memory v
            ) = distributor.contributorsOf(model[i].id);
            assertEq(tableId, model[i].tableId, "tables are counted as they come");
            assertEq(nonce, model[i].nonce, "nonce");
            _checkMembers(tables[tableId].training, t);
            _checkMembers(tables[tableId].validators, v);
            for (uint256 j; j < operators.length; ++j) {
                bool named = trainingWeight[tableId][operators[j]] + validatorWeight[tableId][operators[j]] != 0;
                assertEq(
                    _times(distributor.modelsOf(operators[j]), model[i].id), named ? 1 : 0, "in its list once or not"
                );
                if (named) found[j] += 1;
            }
        }
        for (uint256 j; j < operators.length; ++j) {
            assertEq(distributor.modelsOf(operators[j]).length, found[j], "no other model in the list");
        }
    }

    /// forge-config: default.fuzz.seed = "0x19"
    function invariant_ordersArePaidOnce() public view {
        uint256 used;
        for (uint256 i; i < orders.length; ++i) {
            IUsageMeter.Progress memory p = meter.progressOf(orders[i].id);
            assertEq(p.deliveriesLeft, 0, "nothing is left of an order");
            assertEq(p.interval, orders[i].used ? 1 : 0, "answered once or not at all");
            assertEq(p.answered & (p.answered - (p.answered == 0 ? 0 : 1)), 0, "by one node");
            if (orders[i].used) used += 1;
        }
        assertEq(told.fee == 0 || answers.length + used != 0, true, "no fee without an answer");
        assertLe(orderFees, deposited + told.refund + closedRefunds, "orders are paid from balances");
    }

    /// forge-config: default.fuzz.seed = "0x1a"
    function invariant_emissionTokensAreAllThatIsOwedAndWhatWasGivenAway() public view {
        uint256 held = token.balanceOf(address(emissions));
        assertEq(held, emissions.reserves() + emissionsDonated, "held = owed + given");
        assertEq(held + emissionsOut, emissionsIn + emissionsDonated, "what came in is here or was paid");
        assertEq(emissions.treasuryOwed(), emissionFeesDue - emissionFeesPaid, "claim fees");
    }

    /// forge-config: default.fuzz.seed = "0x1b"
    function invariant_emissionReservesAreWhatTheBooksOwe() public view {
        uint256 owed = emissionFeesDue - emissionFeesPaid;
        for (uint256 day = FIRST_DAY; day <= lastPoolDay; ++day) {
            owed += pools[day].amount - pools[day].given;
        }
        for (uint256 i; i < shares.length; ++i) {
            Emission storage e = emissionOf[shares[i].tableId][shares[i].day];
            owed += e.training + e.validators - e.paid;
        }
        assertEq(emissions.reserves(), owed, "owed to the unit");
    }

    /// forge-config: default.fuzz.seed = "0x1c"
    function invariant_poolsAreSharedOutOnceAndNeverBeyondWhatIsInThem() public view {
        uint256[] memory settled = new uint256[](lastPoolDay - FIRST_DAY + 1);
        for (uint256 i; i < shares.length; ++i) {
            Emission storage e = emissionOf[shares[i].tableId][shares[i].day];
            settled[shares[i].day - FIRST_DAY] += e.training + e.validators;
        }
        for (uint256 i; i < settled.length; ++i) {
            uint256 day = FIRST_DAY + i;
            (uint256 amount, uint256 settledUnits) = emissions.poolOf(day);
            assertEq(amount, pools[day].amount, "pool");
            assertEq(settledUnits, pools[day].settledUnits, "units that had their share");
            assertLe(settledUnits, unitsOfDay[day], "units have their share once");
            assertLe(settled[i], pools[day].given, "shares, with what was above their caps");
            assertLe(pools[day].given, amount, "never beyond the pool");
            if (settledUnits == unitsOfDay[day] && settledUnits != 0) assertEq(pools[day].given, amount, "all of it");
        }
    }

    /// forge-config: default.fuzz.seed = "0x1d"
    function invariant_noShareIsAboveItsCapNorOtherThanTheBooksSay() public view {
        for (uint256 i = shares.length > 12 ? shares.length - 12 : 0; i < shares.length; ++i) {
            ShareId memory id = shares[i];
            if (id.day >= _today()) continue;
            _assertSettled(id);
            (IEmissionProgram.Settlement memory actual,) = emissions.shareOf(_share(id));
            (Emission memory e,) = _shareNow(id);
            assertLe(
                uint256(actual.training) + actual.validators, e.cap, "claim fees of its units at the lowest rate since"
            );
            assertLe(e.cap, units[id.tableId][id.day] / 5, "never above the highest claim fee");
        }
    }

    /// forge-config: default.fuzz.seed = "0x1e"
    function invariant_unitsAreWhatContributorsEarnedOnFundedDays() public view {
        uint256[] memory sums = new uint256[](lastPoolDay - FIRST_DAY + 1);
        for (uint256 i; i < shares.length; ++i) {
            ShareId memory id = shares[i];
            uint256 counted = distributor.unitsOf(id.tableId, id.day);
            assertEq(counted, units[id.tableId][id.day], "units of a table");
            sums[id.day - FIRST_DAY] += counted;
        }
        for (uint256 i; i < sums.length; ++i) {
            assertEq(distributor.unitsIn(FIRST_DAY + i), sums[i], "units of a day are those of its tables");
        }
        for (uint256 i; i < model.length; ++i) {
            uint256 tableId = model[i].tableId;
            assertEq(distributor.unitsOf(tableId, _today()), units[tableId][_today()], "units so far today");
        }
    }

    /// forge-config: default.fuzz.seed = "0x1f"
    function invariant_stakeOfAFundedDayIsThatOfItsBeginning() public view {
        uint256 today = _today();
        uint256 checked;
        for (uint256 day = today; day >= FIRST_DAY && checked < 4; --day) {
            if (!isFunded[day]) continue;
            checked += 1;
            for (uint256 i; i < operators.length; ++i) {
                _checkStakeAt(operators[i], day);
            }
        }
        // An early one too, since records are found from the latest one backwards.
        for (uint256 day = FIRST_DAY; day <= today; ++day) {
            if (!isFunded[day] || (day + shares.length) % 3 != 0) continue;
            _checkStakeAt(operators[day % operators.length], day);
        }
    }

    /// forge-config: default.fuzz.seed = "0x20"
    function invariant_membersCanClaimTheEmissionsThatTheBooksSay() public view {
        uint256 count = shares.length;
        for (uint256 i; i < 3 && i < count; ++i) {
            // The latest two and any other.
            ShareId memory id = shares[i < 2 ? count - 1 - i : mix(clock, count) % count];
            if (id.day >= _today()) continue;
            (Emission memory e,) = _shareNow(id);
            for (uint256 j; j < operators.length; ++j) {
                _checkEmissions(id, e, operators[j]);
            }
        }
    }

    /// Shares of each member and delegator sum up to the share of the table: nothing is left when all are paid.
    /// forge-config: default.fuzz.seed = "0x21"
    function invariant_everyEmissionCanBePaidAtAnyMoment() public {
        vm.warp(clock);
        uint256 count = shares.length;
        if (count == 0) return;
        ShareId memory id = shares[mix(clock, count) % count];
        if (id.day >= _today()) return;
        _payEmissions(_only(id));
        Emission storage e = emissionOf[id.tableId][id.day];
        assertEq(e.paid, e.training + e.validators, "all of it");
        for (uint256 j; j < operators.length; ++j) {
            _checkEmissions(id, e, operators[j]);
        }
    }

    /// forge-config: default.fuzz.seed = "0x22"
    /// forge-config: default.invariant.check_interval = 8
    function invariant_noViewReverts() public {
        vm.warp(clock);
        uint256 i = mix(clock, asked.length) % model.length;
        ModelId id = model[i].id;
        _views(address(models), abi.encodeCall(models.getModel, (id)));
        _views(address(models), abi.encodeCall(models.listModels, (0, 99)));
        _views(address(distributor), abi.encodeCall(distributor.claimableHost, (id)));
        _views(address(distributor), abi.encodeCall(distributor.contributorsOf, (id)));
        _views(address(distributor), abi.encodeCall(distributor.membersOf, (tables.length + i)));
        _views(address(distributor), abi.encodeCall(distributor.unitsOf, (model[i].tableId, _today() - i)));
        for (uint256 j; j < operators.length; ++j) {
            address operator = operators[j];
            _views(address(distributor), abi.encodeCall(distributor.claimableOperator, (operator)));
            _views(address(distributor), abi.encodeCall(distributor.modelsOf, (operator)));
            _views(address(vault), abi.encodeCall(vault.stakeOf, (operator)));
            _views(address(vault), abi.encodeCall(vault.stakeAt, (operator, _today() + 1)));
            _views(address(vault), abi.encodeCall(vault.pendingSigmaOf, (operator)));
            for (uint256 k; k < delegators.length; ++k) {
                address delegator = delegators[k];
                _views(address(distributor), abi.encodeCall(distributor.claimableDelegator, (delegator, operator)));
                _views(address(vault), abi.encodeCall(vault.delegationAt, (delegator, operator, _today() + 1)));
            }
        }
        for (uint256 j; j < asked.length; ++j) {
            Request storage r = asked[j].request;
            _views(address(meter), abi.encodeCall(meter.requestOf, (r.consumer, r.subscriptionId)));
            if (asked[j].direct) continue;
            _views(r.consumer, abi.encodeCall(consumer.getContainerInputs, (r.subscriptionId, 1, 0, node)));
        }
    }

    /// Whatever is paused or retired: nodes are paid for what was asked before.
    /// forge-config: default.fuzz.seed = "0x23"
    function invariant_pausedPartiesStopNoDelivery() public {
        vm.warp(clock);
        call(owner, address(meter), abi.encodeCall(IUsageMeter.setRequestsPaused, (true)), "");
        for (uint256 i; i < model.length; ++i) {
            if (model[i].status == IModelRegistry.Status.Retired) continue;
            call(model[i].host, address(models), abi.encodeCall(IModelRegistry.retire, (model[i].id)), "");
        }
        uint256 delivered;
        for (uint256 i = asked.length; i > 0 && delivered < 2; --i) {
            if (_deliversNow(i - 1)) delivered += 1;
        }
    }

    /// forge-config: default.fuzz.seed = "0x13"
    /// forge-config: default.invariant.check_interval = 8
    function invariant_everyoneCanBePaidAtAnyMoment() public {
        _payEveryone(false);
        assertEq(distributor.treasuryOwed(), 0, "the treasury too");
        assertGe(token.balanceOf(address(distributor)), distributor.reserves(), "and the rest is still there");
    }

    /// forge-config: default.fuzz.seed = "0x14"
    /// forge-config: default.invariant.check_interval = 16
    function invariant_orderOfClaimsChangesNoAmount() public {
        uint256 snapshot = vm.snapshotState();
        _payEveryone(false);
        bytes32 forwards = _walletsNow();
        vm.revertToState(snapshot);
        _payEveryone(true);
        assertEq(_walletsNow(), forwards, "the same for everyone");
    }

    /// Whatever hosts, owner and strangers did: unused escrow comes back once the deadline is over.
    /// forge-config: default.fuzz.seed = "0x15"
    function invariant_everyOpenRequestCanBeTakenBack() public {
        uint256 reserves = distributor.reserves();
        _takeAllBack();
        assertEq(_openEscrow(), 0, "nothing is open");
        assertEq(distributor.reserves(), reserves, "escrow became balances");
    }

    /// After the last action everything is taken out: what stays are remainders, gifts, and pools of days to come.
    function afterInvariant() public {
        _takeAllBack();
        _payEveryone(false);
        uint256 remainders;
        for (uint256 i; i < operators.length; ++i) {
            (uint256 due, uint256 remainder) = _claimableAt(operators[i]);
            assertEq(due, 0, "nothing is left to claim");
            remainders += remainder;
        }
        for (uint256 i; i < model.length; ++i) {
            Table storage table = tables[model[i].tableId];
            remainders += table.trainingFees + table.validatorFees;
            for (uint256 j; j < operators.length; ++j) {
                remainders -= _earnedIn(model[i].tableId, operators[j]);
            }
        }
        assertLe(distributor.reserves(), remainders, "remainders");
        _takeAllEmissions();
        _takeAllStakeOut();
        assertEq(stakeToken.balanceOf(address(vault)), stakeDonated, "all stake came out");
    }

    function _openEscrow() private view returns (uint256 open) {
        for (uint256 i; i < asked.length; ++i) {
            open += asked[i].perAnswer * meter.progressOf(asked[i].id).deliveriesLeft;
        }
    }

    /// @dev What can be claimed at one operator now, and the most that its per-share books hold back: the carry, below one
    ///      unit per 1e18 units that were ever delegated at once, and a fraction of a unit of each delegator.
    function _claimableAt(address operator) private view returns (uint256 due, uint256 remainder) {
        due = distributor.claimableOperator(operator);
        for (uint256 j; j < delegators.length; ++j) {
            due += distributor.claimableDelegator(delegators[j], operator);
        }
        if (mostDelegated[operator] != 0) remainder = mostDelegated[operator] / SCALE + 1 + delegators.length;
    }

    function _checkWallets(address[] storage accounts) private view {
        for (uint256 i; i < accounts.length; ++i) {
            assertEq(token.balanceOf(accounts[i]), wallet[accounts[i]], "as many tokens as it was paid");
        }
    }

    function _checkMembers(Member[] storage members, IRewardDistributor.Contributor[] memory actual) private view {
        assertEq(actual.length, members.length, "members");
        for (uint256 i; i < actual.length; ++i) {
            assertEq(actual[i].account, members[i].account, "member");
            assertEq(actual[i].weight, members[i].weight, "weight");
        }
    }

    function _checkStakeAt(address operator, uint256 day) private view {
        IStakeVault.Stake memory actual = vault.stakeAt(operator, day);
        StakeEntry memory expected = _stakeAt(operator, day);
        assertEq(actual.own, expected.own, "own stake when the day began");
        assertEq(actual.delegated, expected.delegated, "delegated stake when the day began");
        assertEq(actual.sigmaPpm, expected.sigmaPpm, "sigma when the day began");
        for (uint256 j; j < delegators.length; ++j) {
            assertEq(
                vault.delegationAt(delegators[j], operator, day),
                _delegationAt(delegators[j], operator, day),
                "delegation when the day began"
            );
        }
    }

    function _checkEmissions(ShareId memory id, Emission memory e, address operator) private view {
        assertEq(
            emissions.claimableOperator(operator, _share(id)), _operatorEmission(id, e, operator), "operator's emission"
        );
        for (uint256 i; i < delegators.length; ++i) {
            (uint256 due,) = _delegatorEmission(id, e, operator, delegators[i]);
            assertEq(emissions.claimableDelegator(delegators[i], operator, _share(id)), due, "delegator's emission");
        }
    }

    function _views(address target, bytes memory data) private view {
        (bool ok,) = target.staticcall(data);
        assertTrue(ok, "a view reverts");
    }

    function _times(ModelId[] memory list, ModelId item) private pure returns (uint256 times) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == item) times += 1;
        }
    }

    function _only(ShareId memory id) private pure returns (ShareId[] memory list) {
        list = new ShareId[](1);
        list[0] = id;
    }

    /// @dev An honest answer by a listed node, where one is still wanted and can be signed.
    function _deliversNow(uint256 index) private returns (bool) {
        Asked storage a = asked[index];
        if (a.direct || a.left == 0 || clock > a.request.deadline || clock < a.activeAt) return false;
        uint32 interval = uint32(_intervalAt(a));
        for (uint256 i; i < nodes.length; ++i) {
            UsageReceipt memory receipt = _honestReceipt(index, interval, nodes[i], clock);
            if (_whyNotCoordinator(index, nodes[i], interval).length != 0) continue;
            if (_whyNotMeter(index, receipt, bytes(signerKeys[model[a.model].signer]).length != 0).length != 0) {
                continue;
            }
            bytes32 digest = meter.receiptDigest(receipt);
            _deliver(index, receipt, signDigest(digest, signerKeys[model[a.model].signer]), "");
            return true;
        }
        return false;
    }

    /// @dev Claims for everyone by a stranger, each on its own; what is due must be paid, less the claim fee.
    function _payEveryone(bool backwards) private {
        vm.warp(clock);
        uint256 pairs = operators.length * (delegators.length + 1);
        for (uint256 i; i < pairs; ++i) {
            uint256 at = backwards ? pairs - 1 - i : i;
            address operator = operators[at % operators.length];
            uint256 place = at / operators.length;
            if (place == 0) {
                _pay(
                    abi.encodeCall(IRewardDistributor.claimOperator, (one(operator), address(0))),
                    distributor.claimableOperator(operator),
                    rates.operatorPpm
                );
            } else {
                address delegator = delegators[place - 1];
                _pay(
                    abi.encodeCall(IRewardDistributor.claimDelegator, (delegator, one(operator), address(0))),
                    distributor.claimableDelegator(delegator, operator),
                    rates.delegatorPpm
                );
            }
        }
        for (uint256 i; i < model.length; ++i) {
            _pay(
                abi.encodeCall(IRewardDistributor.claimHost, (one(model[i].id), address(0))),
                model[i].hostDue - model[i].hostClaimed,
                rates.hostPpm
            );
        }
        for (uint256 i; i < requesters.length; ++i) {
            bytes memory data = abi.encodeCall(IRewardDistributor.withdrawBalance, (requesters[i], address(0)));
            uint256 until = lockedUntil[requesters[i]];
            if (clock >= until || balance[requesters[i]] == 0) {
                _pay(data, balance[requesters[i]], 0);
            } else {
                call(
                    stranger,
                    address(distributor),
                    data,
                    abi.encodeWithSelector(IRewardDistributor.BalanceLocked.selector, until)
                );
            }
        }
        _pay(abi.encodeCall(IRewardDistributor.payTreasury, ()), distributor.treasuryOwed(), 0);
    }

    function _pay(bytes memory data, uint256 due, uint256 ppm) private {
        bytes memory refusal;
        if (due == 0) refusal = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        bytes memory answer_ = call(stranger, address(distributor), data, refusal);
        (uint256 net,) = _less(due, ppm);
        if (due != 0) assertEq(abi.decode(answer_, (uint256)), net, "a claim pays what its view says");
    }

    /// @dev Emissions of some shares, to everybody.
    function _payEmissions(ShareId[] memory ids) private {
        for (uint256 i; i < operators.length; ++i) {
            _claimsEmissions(stranger, operators[i], ids, address(0));
            for (uint256 j; j < delegators.length; ++j) {
                _claimsEmissions(stranger, delegators[j], operators[i], ids, address(0));
            }
        }
    }

    function _walletsNow() private view returns (bytes32 sum) {
        address[3] memory more = [treasury, safe, address(distributor)];
        for (uint256 i; i < more.length; ++i) {
            sum = keccak256(abi.encode(sum, token.balanceOf(more[i])));
        }
        sum = _walletsOf(requesters, sum);
        sum = _walletsOf(hosts, sum);
        sum = _walletsOf(operators, sum);
        sum = _walletsOf(delegators, sum);
    }

    function _walletsOf(address[] storage accounts, bytes32 sum) private view returns (bytes32) {
        for (uint256 i; i < accounts.length; ++i) {
            sum = keccak256(abi.encode(sum, token.balanceOf(accounts[i])));
        }
        return sum;
    }

    function _takeAllBack() private {
        _moveTo(clock + 31 days);
        for (uint256 i; i < asked.length; ++i) {
            Asked storage a = asked[i];
            if (a.left == 0) continue;
            bytes memory data = abi.encodeCall(IUsageMeter.close, (a.request.consumer, a.request.subscriptionId));
            call(stranger, address(meter), data, "");
            balance[a.request.requester] += a.perAnswer * a.left;
            a.left = 0;
        }
    }

    /// @dev All days with usage are over, and every one of their shares is paid out.
    function _takeAllEmissions() private {
        ShareId[] memory ids = new ShareId[](shares.length);
        for (uint256 i; i < ids.length; ++i) {
            ids[i] = shares[i];
            call(stranger, address(emissions), abi.encodeCall(IEmissionProgram.settle, (_share(ids[i]))), "");
            _settleShare(ids[i]);
        }
        if (ids.length != 0) _payEmissions(ids);
        uint256 left = emissions.treasuryOwed();
        for (uint256 day = FIRST_DAY; day <= lastPoolDay; ++day) {
            if (unitsOfDay[day] == 0) left += pools[day].amount;
        }
        assertEq(emissions.reserves(), left, "pools without usage, and claim fees");
    }

    function _takeAllStakeOut() private {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 own = staked[operator].own;
            if (own != 0) call(operator, address(vault), abi.encodeCall(IStakeVault.requestWithdrawal, (own)), "");
            for (uint256 j; j < delegators.length; ++j) {
                uint256 amount = delegation[operator][delegators[j]];
                if (amount == 0) continue;
                call(delegators[j], address(vault), abi.encodeCall(IStakeVault.undelegate, (operator, amount)), "");
            }
        }
        _moveTo(clock + 1 days);
        for (uint256 i; i < operators.length; ++i) {
            _withdraw(operators[i], operators[i]);
            for (uint256 j; j < delegators.length; ++j) {
                if (delegators[j] != operators[i]) _withdraw(operators[i], delegators[j]);
            }
        }
    }

    function _withdraw(address operator, address account) private {
        if (vault.withdrawalOf(account, operator).amount == 0) return;
        call(account, address(vault), abi.encodeCall(IStakeVault.withdraw, (operator, account)), "");
    }

    /// @dev The first requester has a balance from the set-up of orders.
    function _setUpRequesters() private {
        (balance[requester], deposited, funded) = (DEPOSIT, DEPOSIT, DEPOSIT);
        for (uint256 i; i < requesters.length; ++i) {
            address who = requesters[i];
            token.mint(who, REQUESTER_FUNDS);
            wallet[who] = token.balanceOf(who);
            vm.startPrank(who);
            token.approve(consumers[0], type(uint256).max);
            token.approve(consumers[1], type(uint256).max);
            token.approve(address(distributor), type(uint256).max);
            vm.stopPrank();
        }
    }

    /// @dev Two keys, a contract account, and a contract that reverts whatever it is asked.
    function _setUpSigners() private {
        address reverting = actor("reverting signer");
        vm.etch(reverting, hex"60006000fd");
        signers = [signer, actor("signer B"), address(new SignerWallet(actor("wallet key"))), reverting];
        signerKeys = ["receipt signer", "signer B", "wallet key", ""];
    }

    /// @dev The first model's host is its own consumer; the second has had as many nodes as a model can list, so that places
    ///      are given anew from now on; the third and the fourth cost a few units. All have contributors.
    function _setUpModels() private {
        _register(hosts[0], hosts[0], terms());
        _register(host, consumers[0], terms());
        _register(hosts[2], consumers[1], Terms(3, 0, 0, 100, 100, 600_000, 400_000));
        _register(host, consumers[1], Terms(2, 0, 0, 100, 100, 500_000, 300_000));
        address[] memory many = new address[](32);
        (many[0], many[1]) = (node, secondNode);
        for (uint256 i = 2; i < many.length; ++i) {
            many[i] = address(uint160(0x1000 + i));
        }
        vm.startPrank(host);
        models.updateNodes(model[1].id, many);
        models.updateNodes(model[1].id, two(node, secondNode));
        vm.stopPrank();
    }

    /// @dev From one unit delegated to more than a token; the last operator has not set sigma yet.
    function _setUpStake() private {
        for (uint256 i; i + 1 < operators.length; ++i) {
            _setsSigma(operators[i], i * 200_000);
        }
        _delegates(delegators[0], operators[0], 1);
        _delegates(delegators[0], operators[1], 1);
        _delegates(delegators[1], operators[1], 1);
        _delegates(delegators[0], operators[2], 2);
        _delegates(delegators[1], operators[2], 3);
        _delegates(delegators[3], operators[2], 2);
        _delegates(delegators[2], operators[3], 1e18 + 1);
        _delegates(delegators[3], operators[3], 7);
        for (uint256 i; i < model.length; ++i) {
            // Not every seed makes a table that is accepted.
            for (uint256 seed; model[i].tableId == 0; ++seed) {
                _names(i, mix(seed, i), seed);
            }
        }
    }

    function _addActions() private {
        addAction(this.requesterAsks.selector, 2);
        addAction(this.requesterAsksAgainAndAgain.selector, 3);
        addAction(this.requesterAsksAndNodesAnswer.selector, 6);
        addAction(this.requesterCancels.selector, 2);
        addAction(this.anyoneTakesEscrowBack.selector, 2);
        addAction(this.requesterDeposits.selector, 2);
        addAction(this.requesterLocks.selector, 1);
        addAction(this.requesterWithdraws.selector, 1);
        addAction(this.requesterOrders.selector, 2);
        addAction(this.requesterOrdersAndNodeAnswers.selector, 4);
        addAction(this.nodeAnswersOrder.selector, 3);
        addAction(this.nodeAnswersOrderAgain.selector, 2);
        addAction(this.nodeDelivers.selector, 8);
        addAction(this.nodeDeliversWhatItMustNot.selector, 3);
        addAction(this.nodeDeliversAgain.selector, 2);
        addAction(this.hostChangesTerms.selector, 2);
        addAction(this.hostChangesSplit.selector, 2);
        addAction(this.hostChangesNodes.selector, 2);
        addAction(this.hostRotatesSigner.selector, 3);
        addAction(this.hostChangesStatus.selector, 1);
        addAction(this.hostMovesToAnotherConsumer.selector, 1);
        addAction(this.hostRegisters.selector, 1);
        addAction(this.hostOpensAtTheMeter.selector, 2);
        addAction(this.attesterNamesContributors.selector, 5);
        addAction(this.operatorDeposits.selector, 2);
        addAction(this.operatorTakesStakeOut.selector, 2);
        addAction(this.operatorSetsSigma.selector, 4);
        addAction(this.anyoneAppliesSigma.selector, 3);
        addAction(this.delegatorDelegates.selector, 6);
        addAction(this.delegatorUndelegates.selector, 3);
        addAction(this.stakerWithdraws.selector, 2);
        addAction(this.hostClaims.selector, 2);
        addAction(this.operatorClaims.selector, 3);
        addAction(this.delegatorClaims.selector, 4);
        addAction(this.claimsComeBeforeATableEnds.selector, 3);
        addAction(this.anyonePaysTheTreasury.selector, 1);
        addAction(this.ownerSets.selector, 2);
        addAction(this.strangerTrespasses.selector, 1);
        addAction(this.anyoneGivesTokensAway.selector, 1);
        addAction(this.timePasses.selector, 2);
        addAction(this.daysPass.selector, 3);
        addAction(this.anyoneFundsDays.selector, 4);
        addAction(this.anyoneSettlesAShare.selector, 3);
        addAction(this.operatorClaimsEmissions.selector, 4);
        addAction(this.delegatorClaimsEmissions.selector, 4);
        addAction(this.anyoneRollsOver.selector, 2);
        addAction(this.anyonePaysTheTreasuryOfEmissions.selector, 1);
    }
}
