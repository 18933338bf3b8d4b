// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelHostConsumer} from "../../src/ModelHostConsumer.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {IStakeVault} from "../../src/interfaces/IStakeVault.sol";
import {IUsageMeter} from "../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {FlockTest} from "../utils/FlockTest.sol";
import {SignerWallet} from "../mocks/SignerWallet.sol";
import {ClaimActions} from "./actors/ClaimActions.sol";
import {StakeActions} from "./actors/StakeActions.sol";

/// @title What holds whatever requesters, nodes, hosts, attesters, stakers, the owner and strangers do, in any order.
/// @dev Each invariant has a seed of its own: without, forge plays one and the same sequence of actions to all of them.
contract FlockInvariants is ClaimActions, StakeActions {
    function setUp() public override {
        super.setUp();
        address rogue = actor("host who is its own consumer");
        address otherHost = actor("other host");
        ModelHostConsumer otherConsumer =
            new ModelHostConsumer(address(infernetRegistry), address(meter), otherHost, otherHost);
        consumers = [address(consumer), address(otherConsumer)];
        hosts = [rogue, host, otherHost];
        requesters = [requester, actor("requester B"), actor("requester C")];
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
        vm.prank(owner);
        distributor.setAttester(attesters[1], true);
        _setUpSigners();
        _setUpModels();
        for (uint256 i; i < requesters.length; ++i) {
            if (i != 0) token.mint(requesters[i], 1_000_000e18);
            wallet[requesters[i]] = 1_000_000e18;
            vm.startPrank(requesters[i]);
            token.approve(consumers[0], type(uint256).max);
            token.approve(consumers[1], type(uint256).max);
            vm.stopPrank();
        }
        for (uint256 i; i < operators.length + delegators.length; ++i) {
            vm.prank(i < operators.length ? operators[i] : delegators[i - operators.length]);
            stakeToken.approve(address(vault), type(uint256).max);
        }
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
    function invariant_reservesAreEscrowsPartsBalancesAndRemainders() public view {
        uint256 owed = _openEscrow() + distributor.treasuryOwed();
        for (uint256 i; i < requesters.length; ++i) {
            owed += distributor.balanceOf(requesters[i]);
        }
        for (uint256 i; i < model.length; ++i) {
            owed += distributor.claimableHost(model[i].id);
        }
        uint256 remainders;
        for (uint256 i; i < operators.length; ++i) {
            (uint256 due, uint256 remainder) = _claimableAt(operators[i]);
            owed += due;
            remainders += remainder;
        }
        for (uint256 i; i < model.length; ++i) {
            remainders += _remaindersOf(model[i].training.length) + _remaindersOf(model[i].validators.length);
        }
        assertGe(distributor.reserves(), owed, "never less than what can be claimed");
        assertLe(distributor.reserves(), owed + remainders, "never more than that and the remainders");
    }

    /// forge-config: default.fuzz.seed = "0x03"
    function invariant_everyFeeIsTheSumOfItsParts() public view {
        assertEq(told.fee, told.host + told.training + told.validators, "fee = host + training + validators");
        assertEq(keccak256(abi.encode(told)), keccak256(abi.encode(worked)), "as the terms of each request have it");
    }

    /// forge-config: default.fuzz.seed = "0x04"
    function invariant_everyEscrowIsFeeRefundOrStillOpen() public view {
        assertEq(
            funded + donationsTaken, told.fee + told.refund + closedRefunds + _openEscrow(), "in = used + returned + open"
        );
    }

    /// forge-config: default.fuzz.seed = "0x05"
    function invariant_paidNeverExceedsFunded() public view {
        assertLe(paidOut, funded + donationsTaken, "paid <= funded");
        assertEq(
            paidOut + token.balanceOf(address(distributor)), funded + donated, "what came in is here or was paid"
        );
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
    function invariant_refundsAreTheRequestersToTheUnit() public view {
        for (uint256 i; i < requesters.length; ++i) {
            address who = requesters[i];
            assertEq(distributor.balanceOf(who), refundsDue[who] - refundsPaid[who], "balance");
        }
    }

    /// forge-config: default.fuzz.seed = "0x09"
    function invariant_treasuryGetsTheClaimFeesAndNothingElse() public view {
        assertEq(distributor.treasuryOwed(), claimFeesDue - claimFeesPaid, "owed to the treasury");
    }

    /// An operator and its delegators together: floors of each table's shares, less the carry of the per-share spread.
    /// forge-config: default.fuzz.seed = "0x0a"
    function invariant_tablesPayTheirMembersSharesAndNoMore() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            (uint256 due, uint256 remainder) = _claimableAt(operator);
            due += operatorClaimed[operator];
            for (uint256 j; j < delegators.length; ++j) {
                due += delegatorClaimed[operator][delegators[j]];
            }
            uint256 earned = _earnedInAll(operator);
            assertLe(due, earned, "never more than the table's shares");
            assertGe(due + remainder, earned, "never less, but for the remainders");
        }
    }

    /// However often and in whatever order anyone claims, stakes or changes sigma: what each gets is what the deliveries
    /// were worth to it when they happened, within the units that settlements round away.
    /// forge-config: default.fuzz.seed = "0x0b"
    function invariant_operatorsEarnByTheStakeOfEachDelivery() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 got = distributor.claimableOperator(operator) + operatorClaimed[operator];
            _assertNear(got, operatorDue[operator] / SCALE, slack[operator] + _slackOfOne(operator));
        }
    }

    /// forge-config: default.fuzz.seed = "0x0c"
    function invariant_delegatorsEarnFromNoUsageBeforeTheirStake() public view {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            uint256 most = slack[operator] + _slackOfOne(operator);
            for (uint256 j; j < delegators.length; ++j) {
                address delegator = delegators[j];
                uint256 got =
                    distributor.claimableDelegator(delegator, operator) + delegatorClaimed[operator][delegator];
                _assertNear(got, delegatorDue[operator][delegator] / SCALE, most);
                if (delegatorDue[operator][delegator] == 0 && delegation[operator][delegator] == 0) {
                    assertEq(delegatorClaimed[operator][delegator], 0, "nothing without stake");
                }
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x0d"
    function invariant_accountsOutsideTablesAndStakeEarnNothing() public view {
        address[5] memory others = [stranger, safe, owner, attesters[0], nodes[0]];
        for (uint256 i; i < others.length; ++i) {
            assertEq(distributor.balanceOf(others[i]), 0, "no refund");
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
                assertEq(
                    vault.delegationOf(delegators[j], operator), delegation[operator][delegators[j]], "delegation"
                );
            }
        }
    }

    /// forge-config: default.fuzz.seed = "0x12"
    function invariant_tablesOfAnOperatorAreThoseThatNameIt() public view {
        uint256[] memory found = new uint256[](operators.length);
        for (uint256 i; i < model.length; ++i) {
            (
                uint256 tableId,
                uint64 nonce,
                IRewardDistributor.Contributor[] memory t,
                IRewardDistributor.Contributor[] memory v
            ) = distributor.contributorsOf(model[i].id);
            assertEq(nonce, model[i].nonce, "nonce");
            _checkMembers(model[i].training, t);
            _checkMembers(model[i].validators, v);
            for (uint256 j; j < operators.length; ++j) {
                bool named = _isIn(model[i].training, operators[j]) || _isIn(model[i].validators, operators[j]);
                assertEq(_times(distributor.tablesOf(operators[j]), tableId), named ? 1 : 0, "in its list once or not");
                if (named) found[j] += 1;
            }
        }
        for (uint256 j; j < operators.length; ++j) {
            assertEq(distributor.tablesOf(operators[j]).length, found[j], "no other table in the list");
        }
    }

    /// forge-config: default.fuzz.seed = "0x13"
    function invariant_everyoneCanBePaidAtAnyMoment() public {
        _payEveryone(false);
        assertEq(distributor.treasuryOwed(), 0, "the treasury too");
        assertGe(token.balanceOf(address(distributor)), distributor.reserves(), "and the rest is still there");
    }

    /// forge-config: default.fuzz.seed = "0x14"
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

    /// After the last action everything is taken out: what stays are remainders and gifts.
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
            remainders += _remaindersOf(model[i].training.length) + _remaindersOf(model[i].validators.length);
        }
        assertLe(distributor.reserves(), remainders, "remainders");
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
        if (mostDelegated[operator] != 0) remainder = mostDelegated[operator] / 1e18 + 1 + delegators.length;
    }

    function _remaindersOf(uint256 members) private pure returns (uint256) {
        return members == 0 ? 0 : members - 1;
    }

    function _assertNear(uint256 actual, uint256 expected, uint256 most) private pure {
        assertLe(actual, expected + most, "more than it was due");
        assertGe(actual + most, expected, "less than it was due");
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

    function _times(uint256[] memory list, uint256 item) private pure returns (uint256 times) {
        for (uint256 i; i < list.length; ++i) {
            if (list[i] == item) times += 1;
        }
    }

    /// @dev Claims for everyone by a stranger, each on its own; what is due must be paid.
    function _payEveryone(bool backwards) private {
        vm.warp(clock);
        address d = address(distributor);
        bytes memory nothing = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        uint256 pairs = operators.length * (delegators.length + 1);
        for (uint256 i; i < pairs; ++i) {
            uint256 at = backwards ? pairs - 1 - i : i;
            address operator = operators[at % operators.length];
            uint256 place = at / operators.length;
            if (place == 0) {
                uint256 due = distributor.claimableOperator(operator);
                call(
                    stranger,
                    d,
                    abi.encodeCall(IRewardDistributor.claimOperator, (one(operator), address(0))),
                    due == 0 ? nothing : bytes("")
                );
            } else {
                address delegator = delegators[place - 1];
                uint256 due = distributor.claimableDelegator(delegator, operator);
                call(
                    stranger,
                    d,
                    abi.encodeCall(IRewardDistributor.claimDelegator, (delegator, one(operator), address(0))),
                    due == 0 ? nothing : bytes("")
                );
            }
        }
        for (uint256 i; i < model.length; ++i) {
            bytes memory data = abi.encodeCall(IRewardDistributor.claimHost, (one(model[i].id), address(0)));
            call(stranger, d, data, model[i].hostDue == model[i].hostClaimed ? nothing : bytes(""));
        }
        for (uint256 i; i < requesters.length; ++i) {
            bytes memory data = abi.encodeCall(IRewardDistributor.withdrawBalance, (requesters[i], address(0)));
            call(stranger, d, data, distributor.balanceOf(requesters[i]) == 0 ? nothing : bytes(""));
        }
        bool owed = distributor.treasuryOwed() != 0;
        call(stranger, d, abi.encodeCall(IRewardDistributor.payTreasury, ()), owed ? bytes("") : nothing);
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
        vm.warp(clock + 30 days);
        for (uint256 i; i < asked.length; ++i) {
            if (asked[i].left == 0) continue;
            call(stranger, address(meter), abi.encodeCall(IUsageMeter.close, (asked[i].request)), "");
            refundsDue[asked[i].request.requester] += asked[i].perAnswer * asked[i].left;
            asked[i].left = 0;
        }
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
        vm.warp(clock + 40 days);
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

    /// @dev Two keys, a contract account, and a contract that reverts whatever it is asked.
    function _setUpSigners() private {
        address reverting = actor("reverting signer");
        vm.etch(reverting, hex"60006000fd");
        signers = [signer, actor("signer B"), address(new SignerWallet(actor("wallet key"))), reverting];
        signerKeys = ["receipt signer", "signer B", "wallet key", ""];
    }

    /// @dev The first model's host is its own consumer; the second has had as many nodes as a model can list, so that places
    ///      are given anew from now on.
    function _setUpModels() private {
        _register(hosts[0], hosts[0], terms());
        _register(host, consumers[0], terms());
        _register(hosts[2], consumers[1], terms());
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

    function _addActions() private {
        addAction(this.requesterAsks.selector, 2);
        addAction(this.requesterAsksAgainAndAgain.selector, 3);
        addAction(this.requesterAsksAndNodesAnswer.selector, 4);
        addAction(this.requesterCancels.selector, 2);
        addAction(this.anyoneTakesEscrowBack.selector, 2);
        addAction(this.requesterWithdraws.selector, 2);
        addAction(this.nodeDelivers.selector, 8);
        addAction(this.nodeDeliversWhatItMustNot.selector, 3);
        addAction(this.nodeDeliversAgain.selector, 2);
        addAction(this.hostChangesTerms.selector, 1);
        addAction(this.hostChangesNodes.selector, 2);
        addAction(this.hostRotatesSigner.selector, 3);
        addAction(this.hostChangesStatus.selector, 1);
        addAction(this.hostMovesToAnotherConsumer.selector, 1);
        addAction(this.hostRegisters.selector, 1);
        addAction(this.hostOpensAtTheMeter.selector, 2);
        addAction(this.attesterNamesContributors.selector, 4);
        addAction(this.operatorDeposits.selector, 2);
        addAction(this.operatorTakesStakeOut.selector, 2);
        addAction(this.operatorSetsSigma.selector, 4);
        addAction(this.anyoneAppliesSigma.selector, 3);
        addAction(this.delegatorDelegates.selector, 4);
        addAction(this.delegatorUndelegates.selector, 2);
        addAction(this.stakerWithdraws.selector, 2);
        addAction(this.hostClaims.selector, 2);
        addAction(this.operatorClaims.selector, 3);
        addAction(this.delegatorClaims.selector, 3);
        addAction(this.anyonePaysTheTreasury.selector, 1);
        addAction(this.ownerSets.selector, 2);
        addAction(this.strangerTrespasses.selector, 1);
        addAction(this.anyoneGivesTokensAway.selector, 1);
        addAction(this.timePasses.selector, 2);
    }
}
