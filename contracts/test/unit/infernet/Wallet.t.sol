// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "solady/auth/Ownable.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {Coordinated} from "infernet-sdk/utility/Coordinated.sol";
import {FalseToken, RefusingRecipient, SilentToken, SixDecimalsToken} from "../../mocks/infernet/MockTokens.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

contract WalletTest is InfernetTest {
    address internal holder = actor("holder");
    address internal spender = actor("spender");
    Wallet internal wallet;
    SixDecimalsToken internal token;

    function setUp() public override {
        super.setUp();
        wallet = Wallet(payable(walletFactory.createWallet(holder)));
        token = new SixDecimalsToken();
    }

    function approve(address token_, uint256 amount) internal {
        callAs(holder, address(wallet), abi.encodeCall(Wallet.approve, (spender, token_, amount)));
    }

    function lock(address token_, uint256 amount) internal {
        callAs(address(coordinator), address(wallet), locking(token_, amount));
    }

    function locking(address token_, uint256 amount) internal view returns (bytes memory) {
        return abi.encodeCall(Wallet.cLock, (spender, token_, amount));
    }

    function unlocking(address token_, uint256 amount) internal view returns (bytes memory) {
        return abi.encodeCall(Wallet.cUnlock, (spender, token_, amount));
    }

    function transfer(address token_, address to, uint256 amount) internal view returns (bytes memory) {
        return abi.encodeCall(Wallet.cTransfer, (spender, token_, to, amount));
    }

    function withdrawal(address token_, uint256 amount) internal pure returns (bytes memory) {
        return abi.encodeCall(Wallet.withdraw, (token_, amount));
    }

    function refusedFor(address caller, bytes memory call, bytes4 expected, string memory what) internal {
        assertReverts(caller, address(wallet), call, expected, what);
    }

    function test_receive_takesCoinsFromAnyone() public {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool success,) = address(wallet).call{value: 1 ether}("");

        assertTrue(success, "sent");
        assertEq(address(wallet).balance, 1 ether, "balance");
    }

    function test_approve_overwrites() public {
        vm.expectEmit(address(wallet));
        emit Wallet.Approval(spender, NATIVE, 5);
        approve(NATIVE, 5);
        approve(NATIVE, 3);

        assertEq(wallet.allowance(spender, NATIVE), 3, "native");
        assertEq(wallet.allowance(spender, address(token)), 0, "another token");
    }

    function test_allowance_usesTheDocumentedSlots() public {
        approve(NATIVE, 5);
        vm.deal(address(wallet), 2);
        lock(NATIVE, 2);

        bytes32 inner = keccak256(abi.encode(spender, uint256(1)));
        bytes32 allowed = vm.load(address(wallet), keccak256(abi.encode(NATIVE, inner)));
        assertEq(uint256(allowed), 3, "allowance");
        assertEq(uint256(vm.load(address(wallet), keccak256(abi.encode(NATIVE, uint256(0))))), 2, "lockedBalance");
    }

    function test_ownerFunctions_revertForOthers() public {
        bytes memory call = abi.encodeCall(Wallet.approve, (spender, NATIVE, 5));
        refusedFor(spender, call, Ownable.Unauthorized.selector, "approve");
        refusedFor(address(coordinator), withdrawal(NATIVE, 0), Ownable.Unauthorized.selector, "withdraw");
    }

    function test_coordinatorFunctions_revertForOthers() public {
        refusedFor(holder, transfer(NATIVE, holder, 0), Coordinated.NotCoordinator.selector, "cTransfer");
        refusedFor(holder, locking(NATIVE, 0), Coordinated.NotCoordinator.selector, "cLock");
        refusedFor(spender, unlocking(NATIVE, 0), Coordinated.NotCoordinator.selector, "cUnlock");
    }

    function test_withdraw_sendsUnlockedCoinsToTheOwner() public {
        vm.deal(address(wallet), 10);
        approve(NATIVE, 4);
        lock(NATIVE, 4);

        refusedFor(holder, withdrawal(NATIVE, 7), Wallet.InsufficientFunds.selector, "one of the locked");
        vm.expectEmit(address(wallet));
        emit Wallet.Withdrawl(NATIVE, 6);
        callAs(holder, address(wallet), withdrawal(NATIVE, 6));

        assertEq(holder.balance, 6, "owner");
        assertEq(address(wallet).balance, 4, "wallet");
    }

    function test_withdraw_sendsUnlockedErc20ToTheOwner() public {
        token.mint(address(wallet), 10);
        approve(address(token), 4);
        lock(address(token), 4);

        refusedFor(holder, withdrawal(address(token), 7), Wallet.InsufficientFunds.selector, "one of the locked");
        callAs(holder, address(wallet), withdrawal(address(token), 6));

        assertEq(token.balanceOf(holder), 6, "owner");
    }

    function test_withdraw_followsTheOwnership() public {
        vm.deal(address(wallet), 1 ether);
        callAs(holder, address(wallet), abi.encodeCall(Ownable.transferOwnership, (stranger)));

        callAs(stranger, address(wallet), withdrawal(NATIVE, 1 ether));

        assertEq(stranger.balance, 1 ether, "new owner");
    }

    function test_cTransfer_spendsTheAllowance() public {
        vm.deal(address(wallet), 10);
        approve(NATIVE, 7);

        vm.expectEmit(address(wallet));
        emit Wallet.Transfer(spender, NATIVE, stranger, 5);
        callAs(address(coordinator), address(wallet), transfer(NATIVE, stranger, 5));

        assertEq(stranger.balance, 5, "recipient");
        assertEq(wallet.allowance(spender, NATIVE), 2, "allowance");
        refusedFor(
            address(coordinator), transfer(NATIVE, stranger, 3), Wallet.InsufficientAllowance.selector, "beyond it"
        );
    }

    /// @dev H1, seen from the wallet.
    function test_cTransfer_spendsLockedCoinsToo() public {
        vm.deal(address(wallet), 10);
        approve(NATIVE, 20);
        lock(NATIVE, 10);

        callAs(address(coordinator), address(wallet), transfer(NATIVE, stranger, 10));

        assertEq(stranger.balance, 10, "recipient");
        assertReverts(holder, address(wallet), withdrawal(NATIVE, 0), panic(0x11), "withdraw");
    }

    function test_cTransfer_revertsWithoutCoins() public {
        approve(NATIVE, 5);
        refusedFor(
            address(coordinator), transfer(NATIVE, stranger, 5), SafeTransferLib.ETHTransferFailed.selector, "native"
        );
    }

    function test_cTransfer_forcesCoinsUponARefusingRecipient() public {
        address refusing = address(new RefusingRecipient());
        vm.deal(address(wallet), 5);
        approve(NATIVE, 5);

        callAs(address(coordinator), address(wallet), transfer(NATIVE, refusing, 5));

        assertEq(refusing.balance, 5, "recipient");
    }

    function test_cTransfer_acceptsAnErc20ThatAnswersNothing() public {
        SilentToken silent = new SilentToken();
        silent.mint(address(wallet), 5);
        approve(address(silent), 5);

        callAs(address(coordinator), address(wallet), transfer(address(silent), stranger, 5));

        assertEq(silent.balanceOf(stranger), 5, "recipient");
    }

    function test_cTransfer_revertsWhenTheErc20DoesNotPay() public {
        address falseToken = address(new FalseToken());
        approve(falseToken, 5);
        approve(address(token), 5);
        bytes4 expected = SafeTransferLib.TransferFailed.selector;

        refusedFor(address(coordinator), transfer(falseToken, stranger, 5), expected, "answers false");
        refusedFor(address(coordinator), transfer(address(token), stranger, 5), expected, "reverts");
    }

    function test_cLock_testsFundsBeforeAllowance() public {
        refusedFor(address(coordinator), locking(NATIVE, 5), Wallet.InsufficientFunds.selector, "neither");

        vm.deal(address(wallet), 5);
        refusedFor(address(coordinator), locking(NATIVE, 5), Wallet.InsufficientAllowance.selector, "coins only");

        approve(NATIVE, 5);
        vm.expectEmit(address(wallet));
        emit Wallet.Escrow(spender, NATIVE, 5, true);
        lock(NATIVE, 5);
        assertEq(wallet.allowance(spender, NATIVE), 0, "allowance");
    }

    function test_cLock_addsUp() public {
        vm.deal(address(wallet), 5);
        approve(NATIVE, 10);
        lock(NATIVE, 3);
        lock(NATIVE, 2);

        refusedFor(address(coordinator), locking(NATIVE, 1), Wallet.InsufficientFunds.selector, "all is locked");
    }

    function test_cUnlock_givesTheAllowanceBack() public {
        vm.deal(address(wallet), 5);
        approve(NATIVE, 5);
        lock(NATIVE, 5);

        vm.expectEmit(address(wallet));
        emit Wallet.Escrow(spender, NATIVE, 3, false);
        callAs(address(coordinator), address(wallet), unlocking(NATIVE, 3));

        assertEq(wallet.allowance(spender, NATIVE), 3, "allowance");
        refusedFor(address(coordinator), unlocking(NATIVE, 3), Wallet.InsufficientFunds.selector, "more than locked");
    }
}
