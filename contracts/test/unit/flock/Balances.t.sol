// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {RewardDistributor} from "../../../src/RewardDistributor.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {FeeToken} from "../../mocks/FeeToken.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Balances that orders are paid from: put in, locked, taken out.
contract BalancesTest is FlockTest {
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant MAX_AMOUNT = type(uint104).max;

    function setUp() public override {
        super.setUp();
        vm.prank(requester);
        token.approve(address(distributor), type(uint256).max);
    }

    function test_deposit_addsToTheOwnBalance() public {
        uint256 before = token.balanceOf(requester);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.Deposited(requester, requester, 5e18);
        _deposit(requester, 5e18);
        _deposit(requester, 2e18);

        assertEq(distributor.balanceOf(requester), 7e18, "balance");
        assertEq(distributor.reserves(), 7e18, "owed");
        assertEq(before - token.balanceOf(requester), 7e18, "paid");
        assertEq(token.balanceOf(address(distributor)), 7e18, "held");
    }

    function test_deposit_addsToTheBalanceOfAnother() public {
        vm.expectEmit(address(distributor));
        emit IRewardDistributor.Deposited(host, requester, 5e18);
        _deposit(host, 5e18);

        assertEq(distributor.balanceOf(host), 5e18, "theirs");
        assertEq(distributor.balanceOf(requester), 0, "not the payer's");
        distributor.withdrawBalance(host, address(0));
        assertEq(token.balanceOf(host), 5e18, "to take out");
    }

    function test_deposit_revertsWithoutApproval() public {
        vm.startPrank(requester);
        token.approve(address(distributor), 5e18 - 1);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        distributor.deposit(requester, 5e18);
    }

    function test_deposit_revertsForTokensThatTakeAFee() public {
        FeeToken odd = new FeeToken();
        RewardDistributor other =
            newDistributor(address(odd), address(stakeToken));
        odd.mint(requester, 100);
        vm.startPrank(requester);
        odd.approve(address(other), 100);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, 100, 99));
        other.deposit(requester, 100);
    }

    function test_deposit_revertsForMoreThanTheBooksHold() public {
        token.mint(requester, 4 * MAX_AMOUNT);
        _refusedDeposit(MAX_AMOUNT + 1, MAX_AMOUNT + 1);
        _deposit(requester, MAX_AMOUNT);
        assertEq(distributor.balanceOf(requester), MAX_AMOUNT, "the most there can be");
        _refusedDeposit(1, MAX_AMOUNT + 1);
        _refusedDeposit(MAX_AMOUNT, 2 * MAX_AMOUNT);
        _refusedDeposit(MAX_AMOUNT + 1, MAX_AMOUNT + 1);
        vm.prank(requester);
        distributor.withdrawBalance(requester, address(0));
        _deposit(host, MAX_AMOUNT);
        assertEq(distributor.reserves(), MAX_AMOUNT, "room again");
    }

    function test_lockBalance_keepsTheBalanceUntilItEnds() public {
        _deposit(requester, 5e18);
        assertEq(distributor.lockedUntil(requester), 0, "never locked");

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.BalanceLockSet(requester, START + 1 days);
        _lock(START + 1 days);

        assertEq(distributor.lockedUntil(requester), START + 1 days, "locked");
        vm.warp(START + 1 days - 1);
        _refusedWithdrawal(START + 1 days);
        vm.warp(START + 1 days);
        vm.prank(requester);
        assertEq(distributor.withdrawBalance(requester, address(0)), 5e18, "all of it");
    }

    function test_lockBalance_canBeExtendedAndNotShortened() public {
        _deposit(requester, 5e18);
        _lock(START + 1 days);
        _lock(START + 1 days);
        _lock(START + 2 days);

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.LockShortened.selector, START + 2 days));
        _lock(START + 2 days - 1);

        vm.warp(START + 1 days);
        _refusedWithdrawal(START + 2 days);
    }

    function test_lockBalance_endsWithin30Days() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.LockTooLong.selector, START + 30 days));
        _lock(START + 30 days + 1);
        _lock(START + 30 days);
        vm.warp(START + 1 days);
        _lock(START + 31 days);

        assertEq(distributor.lockedUntil(requester), START + 31 days, "set again");
    }

    function test_lockBalance_outlastsItsEndInName() public {
        _lock(START + 1 days);
        vm.warp(START + 3 days);

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.LockShortened.selector, START + 1 days));
        _lock(START + 1 days - 1);
    }

    function test_lockBalance_holdsRefundsAndDepositsThatArriveLater() public {
        _lock(START + 1 days);
        _deposit(requester, 5e18);
        uint32 id = ask();
        answer(id);

        assertTrue(distributor.balanceOf(requester) > 5e18, "deposit and refund");
        _refusedWithdrawal(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BalanceLocked.selector, START + 1 days));
        distributor.withdrawBalance(requester, address(0));
    }

    function test_lockBalance_isTheCallersAlone() public {
        _deposit(host, 5e18);
        _lock(START + 1 days);

        distributor.withdrawBalance(host, address(0));

        assertEq(token.balanceOf(host), 5e18, "not locked");
    }

    function test_withdrawBalance_goesWhereTheAccountSends() public {
        _deposit(requester, 5e18);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.BalanceWithdrawn(requester, host, 5e18);
        vm.prank(requester);
        distributor.withdrawBalance(requester, host);

        assertEq(token.balanceOf(host), 5e18, "sent");
        assertEq(distributor.balanceOf(requester), 0, "gone");
        assertEq(distributor.reserves(), 0, "nothing owed");
        vm.expectRevert(IRewardDistributor.NothingToClaim.selector);
        vm.prank(requester);
        distributor.withdrawBalance(requester, host);
    }

    function test_withdrawBalance_forAnotherGoesToItsAddressAlone() public {
        _deposit(requester, 5e18);
        uint256 before = token.balanceOf(requester);

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, requester, host));
        vm.prank(host);
        distributor.withdrawBalance(requester, host);
        vm.prank(host);
        distributor.withdrawBalance(requester, address(0));

        assertEq(token.balanceOf(requester) - before, 5e18, "own address");
    }

    /// Tokens that were sent here without a word belong to nobody's balance.
    function test_deposit_doesNotTakeDonationsForDeposits() public {
        token.mint(address(distributor), 3e18);

        _deposit(requester, 5e18);

        assertEq(distributor.balanceOf(requester), 5e18, "what was paid");
        assertEq(distributor.reserves(), 5e18, "the donation is owed to nobody");
    }

    function test_request_takesNothingFromTheBalance() public {
        _deposit(requester, 5e18);
        IModelHostConsumer.RequestParams memory p = params();
        uint256 cost = consumer.quote(modelId, 1, 1);

        ask(p);

        assertEq(distributor.balanceOf(requester), 5e18, "untouched");
        assertEq(distributor.reserves(), 5e18 + cost, "escrow beside it");
    }

    function _deposit(address account, uint256 amount) private {
        vm.prank(requester);
        distributor.deposit(account, amount);
    }

    function _lock(uint256 until) private {
        vm.prank(requester);
        distributor.lockBalance(uint40(until));
    }

    function _refusedDeposit(uint256 amount, uint256 named) private {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, named));
        vm.prank(requester);
        distributor.deposit(requester, amount);
    }

    function _refusedWithdrawal(uint256 until) private {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BalanceLocked.selector, until));
        vm.prank(requester);
        distributor.withdrawBalance(requester, requester);
    }
}
