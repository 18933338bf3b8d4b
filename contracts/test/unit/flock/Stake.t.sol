// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {RewardDistributor} from "../../../src/RewardDistributor.sol";
import {StakeVault} from "../../../src/StakeVault.sol";
import {FeeToken} from "../../mocks/FeeToken.sol";
import {GivingHook} from "../../mocks/GivingHook.sol";
import {OddToken} from "../../mocks/OddToken.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Stake, delegation and sigma.
contract StakeTest is FlockTest {
    address internal operator = actor("operator");
    address internal delegator = actor("delegator");

    function setUp() public override {
        super.setUp();
        stakeToken.mint(operator, 100);
        stakeToken.mint(delegator, 100);
        vm.prank(operator);
        stakeToken.approve(address(vault), type(uint256).max);
        vm.prank(delegator);
        stakeToken.approve(address(vault), type(uint256).max);
    }

    function test_deposit_addsOwnStake() public {
        vm.startPrank(operator);
        vault.deposit(60);
        vault.deposit(40);
        assertEq(vault.stakeOf(operator).own, 100, "own");
        assertEq(stakeToken.balanceOf(address(vault)), 100, "held");
    }

    function test_withdraw_paysAfterTheCooldown() public {
        vm.startPrank(operator);
        vault.deposit(100);
        vault.requestWithdrawal(70);
        assertEq(vault.stakeOf(operator).own, 30, "earns no more");
        uint256 availableAt = block.timestamp + 1 days;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, availableAt));
        vault.withdraw(operator, operator);
        vm.warp(availableAt);
        vault.withdraw(operator, delegator);
        assertEq(stakeToken.balanceOf(delegator), 170, "paid where it was sent");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingPending.selector));
        vault.withdraw(operator, operator);
    }

    function test_requestWithdrawal_restartsTheCooldownOfWhatIsWaiting() public {
        vm.startPrank(operator);
        vault.deposit(100);
        vault.requestWithdrawal(70);
        vm.warp(1_700_000_000 + 23 hours);
        vault.requestWithdrawal(5);

        IStakeVault.Withdrawal memory waiting = vault.withdrawalOf(operator, operator);
        assertEq(waiting.amount, 75, "both");
        assertEq(waiting.availableAt, 1_700_000_000 + 47 hours, "a day from now");
        vm.warp(1_700_000_000 + 47 hours);
        assertEq(vault.withdraw(operator, operator), 75, "both");
    }

    function test_stakeAndDelegationOf_showsBothAtOnce() public {
        vm.prank(operator);
        vault.setSigma(250_000);
        vm.prank(operator);
        vault.deposit(60);
        vm.prank(delegator);
        vault.delegate(operator, 30);

        (IStakeVault.Stake memory stake, uint256 delegation) = vault.stakeAndDelegationOf(operator, delegator);

        assertEq(stake.own, 60, "own");
        assertEq(stake.delegated, 30, "delegated");
        assertEq(stake.sigmaPpm, 250_000, "sigma");
        assertEq(delegation, 30, "delegation");
    }

    function test_delegate_needsAnOperatorThatSetSigma() public {
        vm.startPrank(delegator);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.DelegationNotAccepted.selector, operator));
        vault.delegate(operator, 10);
        vm.stopPrank();
        vm.prank(operator);
        vault.setSigma(0);
        vm.prank(delegator);
        vault.delegate(operator, 10);
        assertEq(vault.stakeOf(operator).delegated, 10, "delegated");
        assertEq(vault.delegationOf(delegator, operator), 10, "delegation");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.SelfDelegation.selector));
        vm.prank(operator);
        vault.delegate(operator, 1);
    }

    function test_undelegate_paysAfterTheCooldown() public {
        vm.prank(operator);
        vault.setSigma(0);
        vm.startPrank(delegator);
        vault.delegate(operator, 80);
        vault.undelegate(operator, 50);
        assertEq(vault.delegationOf(delegator, operator), 30, "still delegated");
        assertEq(vault.withdrawalOf(delegator, operator).amount, 50, "on its way");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeInsufficient.selector, 31, 30));
        vault.undelegate(operator, 31);
        vm.warp(block.timestamp + 1 days);
        vault.withdraw(operator, delegator);
        assertEq(stakeToken.balanceOf(delegator), 70, "paid");
    }

    function test_setSigma_isAtOnceTheFirstTimeAndAnnouncedAfterwards() public {
        vm.startPrank(operator);
        vault.setSigma(400_000);
        assertEq(vault.stakeOf(operator).sigmaPpm, 400_000, "at once");
        vault.setSigma(900_000);
        assertEq(vault.stakeOf(operator).sigmaPpm, 400_000, "announced");
        uint256 availableAt = block.timestamp + 1 days;
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, availableAt));
        vault.applySigma(operator);
        vm.stopPrank();
        vm.warp(availableAt);
        vault.applySigma(operator);
        assertEq(vault.stakeOf(operator).sigmaPpm, 900_000, "in force");
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingPending.selector));
        vault.applySigma(operator);
    }

    function test_applySigma_isPossibleForSevenDays() public {
        vm.startPrank(operator);
        vault.setSigma(400_000);
        vault.setSigma(900_000);
        // Not from block.timestamp, which the optimizer reads again after a warp.
        uint256 availableAt = 1_700_000_000 + 1 days;
        (uint256 sigmaPpm, uint256 announcedFor) = vault.pendingSigmaOf(operator);
        assertEq(sigmaPpm, 900_000, "announced");
        assertEq(announcedFor, availableAt, "after the cooldown");
        vm.warp(availableAt + 7 days + 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AnnouncementExpired.selector, availableAt + 7 days));
        vault.applySigma(operator);

        vault.setSigma(500_000);
        vm.expectRevert(
            abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, availableAt + 7 days + 1 + 1 days)
        );
        vault.applySigma(operator);
        vm.warp(availableAt + 7 days + 1 + 1 days + 7 days);
        vault.applySigma(operator);

        assertEq(vault.stakeOf(operator).sigmaPpm, 500_000, "on the last second");
        (, announcedFor) = vault.pendingSigmaOf(operator);
        assertEq(announcedFor, 0, "nothing is announced any more");
    }

    function test_setSigma_replacesWhatWasAnnounced() public {
        vm.startPrank(operator);
        vault.setSigma(400_000);
        vault.setSigma(900_000);
        vm.warp(1_700_000_000 + 12 hours);
        vault.setSigma(800_000);
        vm.warp(1_700_000_000 + 1 days);

        vm.expectRevert(abi.encodeWithSelector(IStakeVault.CooldownNotOver.selector, 1_700_000_000 + 36 hours));
        vault.applySigma(operator);
        vm.warp(1_700_000_000 + 36 hours);
        vault.applySigma(operator);

        assertEq(vault.stakeOf(operator).sigmaPpm, 800_000, "the last word");
    }

    function test_applySigma_revertsWhenNothingWasAnnounced() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.NothingPending.selector));
        vault.applySigma(operator);
    }

    function test_setSigma_revertsAboveTheWhole() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.SigmaInvalid.selector, 1_000_001));
        vm.prank(operator);
        vault.setSigma(1_000_001);
    }

    function test_amounts_ofZeroOrTooMuchAreRefused() public {
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0));
        vault.deposit(0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, type(uint256).max));
        vault.deposit(type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0));
        vault.requestWithdrawal(0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.StakeInsufficient.selector, 1, 0));
        vault.requestWithdrawal(1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0));
        vault.undelegate(delegator, 0);
    }

    function test_amounts_areBookedUpTo96Bits() public {
        uint256 most = type(uint96).max;
        stakeToken.mint(operator, 2 * most);
        stakeToken.mint(delegator, 2 * most);
        vm.startPrank(operator);
        vault.setSigma(0);
        vault.deposit(most - 1);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 2));
        vault.deposit(2);
        vault.deposit(1);
        vm.stopPrank();
        vm.startPrank(delegator);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 0));
        vault.delegate(operator, 0);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, most + 1));
        vault.delegate(operator, most + 1);
        vault.delegate(operator, most);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.AmountInvalid.selector, 1));
        vault.delegate(operator, 1);

        assertEq(vault.stakeOf(operator).own, most, "own");
        assertEq(vault.stakeOf(operator).delegated, most, "delegated");
    }

    function test_deposit_revertsForTokensThatTakeAFee() public {
        FeeToken odd = new FeeToken();
        RewardDistributor other =
            newDistributor(address(token), address(odd));
        StakeVault oddVault = StakeVault(other.VAULT());
        odd.mint(operator, 100);
        vm.startPrank(operator);
        odd.approve(address(oddVault), 100);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.TokenUnsupported.selector, 100, 99));
        oddVault.deposit(100);
    }

    function test_deposit_revertsForTokensThatGiveMore() public {
        OddToken odd = new OddToken();
        StakeVault oddVault = StakeVault(newDistributor(address(token), address(odd)).VAULT());
        odd.mint(operator, 100);
        odd.behave(false, false, 0, new GivingHook(odd, address(oddVault)));
        vm.startPrank(operator);
        odd.approve(address(oddVault), 100);
        vm.expectRevert(abi.encodeWithSelector(IStakeVault.TokenUnsupported.selector, 100, 101));
        oddVault.deposit(100);
    }
}
